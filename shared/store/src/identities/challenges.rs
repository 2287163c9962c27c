//! One-time codes: five different guesses, or one, counted before any is judged (see [`mealticket_domain::otp`]).
//!
//! One conditional write puts every guess into a set, and only then is the guess compared. The set holds so many
//! guesses; the same guess again takes no place. So guesses sent at once cannot outrun the count. A client that lost
//! the answer to the right code may send it again.

use crate::{
    Identities,
    identities::keys,
    table::{
        attributes::{Item, Reader, binary, binary_set, instant, item, number, text},
        calls::Write,
        clauses::{EXISTS, all},
        error::StoreError,
    },
};
use aws_sdk_dynamodb::types::AttributeValue;
use mealticket_domain::{
    Timestamp,
    otp::{FAILED_CHALLENGES_MAX, GUESSES_MAX, REMEMBERED_SECONDS},
};

/// A one-time code that was sent.
pub struct Challenge {
    /// Names it: 128 random bits in base64url. The client gets it and sends it back.
    pub id: String,
    /// The phone. The caller seals it, bound to this challenge's item.
    pub phone_sealed: Vec<u8>,
    /// A keyed hash of the id and the code. The code itself is stored nowhere.
    pub otp_hash: [u8; 16],
    /// The first instant at which it no longer counts. The table deletes it later.
    pub expires_at: Timestamp,
    /// How many different guesses it takes: five, or one.
    pub guesses_max: u32,
    /// Whether challenges of this phone failed before. Then a right guess ends their memory.
    pub failed_before: bool,
}

/// What a guess came to.
#[derive(Debug)]
pub enum Guess {
    /// It is the code. A repeat is right again, as long as the challenge counts.
    Right {
        /// The phone that it proves, sealed.
        phone_sealed: Vec<u8>,
        /// Whether this challenge, or one before it, has failed.
        failed_before: bool,
    },
    /// It is not the code, or the guesses are used up.
    Wrong {
        /// How many different guesses are left.
        tries_left: u32,
        /// The phone that it does not prove, sealed. `None` when the guess found no place, and so was not counted.
        phone_sealed: Option<Vec<u8>>,
    },
    /// There is no such challenge, or its time is over.
    Unknown,
}

/// The code still counts. Guards the count of guesses.
const IS_NOT_EXPIRED: &str = "expires_at > :now";
/// The guess has been made before, or there is room for another. Challenges of an older release take five.
const GUESS_HAS_A_PLACE: &str = "attribute_not_exists(guesses) OR contains(guesses, :guess) OR size(guesses) < guesses_max \
                                 OR (attribute_not_exists(guesses_max) AND size(guesses) < :guesses_max)";
/// Fewer failed challenges are remembered than those after which each takes one guess, or this one is among them.
const FAILURE_HAS_A_PLACE: &str =
    "attribute_not_exists(failed) OR contains(failed, :challenge) OR size(failed) < :failed_max";
/// The memory of failures is new or not over. The table deletes what is over days later.
const IS_REMEMBERED: &str = "attribute_not_exists(pk) OR expires_at > :now";

impl Identities {
    /// Keeps a challenge. Its id is random, so it is new; a repeat writes the same.
    ///
    /// Cost: 1 PutItem, 1 W.
    pub async fn put_challenge(&self, challenge: &Challenge) -> Result<(), StoreError> {
        let attributes: Item = item([
            ("phone_sealed", Some(binary(&challenge.phone_sealed))),
            ("otp_hash", Some(binary(&challenge.otp_hash))),
            ("expires_at", Some(instant(challenge.expires_at))),
            ("guesses_max", Some(number(challenge.guesses_max))),
            ("failed_before", challenge.failed_before.then_some(AttributeValue::Bool(true))),
        ]);
        let call = self.table.put_item();
        self.table.put(call.set_item(Some(keys::challenge(&challenge.id).with(attributes)))).await.map(drop)
    }

    /// Counts a guess, then judges it. At most as many different guesses are ever judged as the challenge takes.
    ///
    /// The right code stays right after wrong guesses, while there is room for it. Safe to repeat:
    /// the same guess counts once.
    ///
    /// Cost: 1 UpdateItem, 1 W, also when refused.
    pub async fn judge_guess(&self, challenge_id: &str, guess: [u8; 16], now: Timestamp) -> Result<Guess, StoreError> {
        let call = self.table.update_item();
        let call = call
            .set_key(Some(keys::challenge(challenge_id).attributes()))
            .condition_expression(all(&[EXISTS, IS_NOT_EXPIRED, GUESS_HAS_A_PLACE]))
            .update_expression("ADD guesses :guesses")
            .set_expression_attribute_values(Some(item([
                (":now", Some(instant(now))),
                (":guess", Some(binary(&guess))),
                (":guesses", Some(binary_set(&[&guess]))),
                (":guesses_max", Some(number(GUESSES_MAX))),
            ])));
        let counted = match self.table.update(call).await? {
            Write::Done(counted) => counted,
            Write::Refused(Some(item)) if Reader::new(&item, "challenge").instant("expires_at")? > now => {
                return Ok(Guess::Wrong { tries_left: 0, phone_sealed: None });
            }
            Write::Refused(_) => return Ok(Guess::Unknown),
        };
        let read = Reader::new(&counted, "challenge");
        let phone_sealed = read.bytes("phone_sealed")?.to_vec();
        let made = counted.get("guesses").and_then(|set| set.as_bs().ok()).map_or(0, Vec::len);
        if read.array::<16>("otp_hash")? == guess {
            return Ok(Guess::Right { phone_sealed, failed_before: made > 1 || read.has("failed_before") });
        }
        let guesses_max = read.optional("guesses_max", Reader::number)?.unwrap_or(GUESSES_MAX);
        let tries_left = guesses_max.saturating_sub(u32::try_from(made).unwrap_or(u32::MAX));
        Ok(Guess::Wrong { tries_left, phone_sealed: Some(phone_sealed) })
    }

    /// How many challenges of a phone have failed since somebody last signed in with it: 0 to 3. Strongly consistent.
    ///
    /// What is over counts as 0, deleted or not. Cost: 1 GetItem, 1 R.
    pub async fn count_failed_challenges(&self, phone_hash: &[u8; 32], now: Timestamp) -> Result<usize, StoreError> {
        let call = self.table.get_item();
        let call = call.set_key(Some(keys::failed_challenges(phone_hash).attributes())).consistent_read(true);
        let Some(item) = self.table.get(call).await? else { return Ok(0) };
        let is_remembered = Reader::new(&item, "failed challenges").instant("expires_at")? > now;
        let failed = item.get("failed").and_then(|set| set.as_ss().ok()).map_or(0, Vec::len);
        Ok(if is_remembered { failed } else { 0 })
    }

    /// Remembers, for 30 days from `now`, that a challenge of a phone has failed. The same challenge counts once,
    /// so it is safe to repeat.
    ///
    /// Cost: 1 UpdateItem, 1 W. When three are remembered, 1 refused W more. When the memory was over and
    /// begins anew, 2 refused W more.
    pub async fn note_failed_challenge(
        &self,
        phone_hash: &[u8; 32],
        challenge_id: &str,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        // Of two failures that find the memory over, one begins it anew, and the other is refused there. So
        // the other adds itself then.
        for step in [FailureStep::Add, FailureStep::Prolong, FailureStep::BeginAnew, FailureStep::Add] {
            if let Write::Done(_) = self.failure_write(phone_hash, challenge_id, now, step).await? {
                break;
            }
        }
        Ok(())
    }

    /// One of the writes that remember a failure.
    async fn failure_write(
        &self,
        phone_hash: &[u8; 32],
        challenge_id: &str,
        now: Timestamp,
        step: FailureStep,
    ) -> Result<Write, StoreError> {
        /// What was remembered is over. Guards a new beginning, so that it forgets nothing that counts.
        const IS_OVER: &str = "expires_at <= :now";
        /// As many are remembered as matter. Guards the write that only prolongs.
        const ARE_ENOUGH: &str = "size(failed) >= :failed_max";

        let (clauses, update) = match step {
            FailureStep::Add => {
                (vec![IS_REMEMBERED, FAILURE_HAS_A_PLACE], "SET expires_at = :until ADD failed :failed")
            }
            FailureStep::BeginAnew => (vec![IS_OVER], "SET expires_at = :until, failed = :failed"),
            FailureStep::Prolong => (vec![IS_REMEMBERED, ARE_ENOUGH], "SET expires_at = :until"),
        };
        let has_set = !matches!(step, FailureStep::Prolong);
        let has_maximum = !matches!(step, FailureStep::BeginAnew);
        let call = self.table.update_item();
        let call = call
            .set_key(Some(keys::failed_challenges(phone_hash).attributes()))
            .condition_expression(all(&clauses))
            .update_expression(update)
            .set_expression_attribute_values(Some(item([
                (":challenge", matches!(step, FailureStep::Add).then(|| text(challenge_id))),
                (":failed", has_set.then(|| AttributeValue::Ss(vec![challenge_id.to_owned()]))),
                (":failed_max", has_maximum.then(|| number(FAILED_CHALLENGES_MAX))),
                (":now", Some(instant(now))),
                (":until", Some(instant(now.plus_seconds(REMEMBERED_SECONDS)))),
            ])));
        self.table.update(call).await
    }

    /// Forgets the failed challenges of a phone, because somebody has signed in with it. Safe to repeat, and
    /// nothing when there are none.
    ///
    /// Cost: 1 UpdateItem, 1 W.
    pub async fn forget_failed_challenges(&self, phone_hash: &[u8; 32]) -> Result<(), StoreError> {
        let call = self.table.update_item();
        let call = call
            .set_key(Some(keys::failed_challenges(phone_hash).attributes()))
            .condition_expression(EXISTS)
            .update_expression("REMOVE failed");
        self.table.update(call).await.map(drop)
    }
}

/// What is written when a challenge has failed.
#[derive(Clone, Copy)]
enum FailureStep {
    /// Adds it to those that are remembered.
    Add,
    /// Those that were remembered are over. It is the first again.
    BeginAnew,
    /// As many are remembered as matter. They are remembered for longer.
    Prolong,
}
