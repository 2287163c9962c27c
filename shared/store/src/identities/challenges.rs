//! One-time codes: five different guesses, or one, counted before any is judged (see [`mealticket_domain::otp`]).
//!
//! Every guess is put into a set by one conditional write, and only then compared. The set holds so many; the same guess again
//! takes no place. So guesses sent at once cannot outrun the count, and who lost the answer to the right code may send it
//! again.

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
    /// Names it: random, given to the client.
    pub id: String,
    /// The phone, sealed by the caller.
    pub phone_sealed: Vec<u8>,
    /// A keyed hash of the id and the code.
    pub otp_hash: [u8; 16],
    /// First instant at which it no longer counts; the table forgets it later.
    pub expires_at: Timestamp,
    /// Different guesses that it takes.
    pub guesses_max: u32,
    /// Whether challenges of this phone failed before: then a right guess ends their memory.
    pub failed_before: bool,
}

/// What a guess came to.
#[derive(Debug)]
pub enum Guess {
    /// It is the code; whose phone it proves.
    Right {
        /// Sealed.
        phone_sealed: Vec<u8>,
        /// Whether this challenge, or one before it, has failed.
        failed_before: bool,
    },
    /// It is not, or the guesses are used up.
    Wrong {
        /// Different guesses left.
        tries_left: u32,
        /// Whose phone it does not prove. Sealed; none when the guess found no place, and so was none.
        phone_sealed: Option<Vec<u8>>,
    },
    /// There is no such challenge, or its time is over.
    Unknown,
}

/// The code still counts.
const IS_NOT_EXPIRED: &str = "expires_at > :now";
/// The guess has been made before, or there is a place for another. Those of an older release take five.
const GUESS_HAS_A_PLACE: &str = "attribute_not_exists(guesses) OR contains(guesses, :guess) OR size(guesses) < guesses_max \
                                 OR (attribute_not_exists(guesses_max) AND size(guesses) < :guesses_max)";
/// The failed challenges that count are fewer than those after which each takes one guess, or this is one of them.
const FAILURE_HAS_A_PLACE: &str =
    "attribute_not_exists(failed) OR contains(failed, :challenge) OR size(failed) < :failed_max";
/// They are remembered still. The table deletes what is over days later.
const IS_REMEMBERED: &str = "attribute_not_exists(pk) OR expires_at > :now";

impl Identities {
    /// Keeps a challenge. Its id is random, so it is new.
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

    /// Counts a guess, then judges it.
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

    /// How many challenges of a phone have failed since somebody last signed in with it, as far as it matters.
    pub async fn count_failed_challenges(&self, phone_hash: &[u8; 32], now: Timestamp) -> Result<usize, StoreError> {
        let call = self.table.get_item();
        let call = call.set_key(Some(keys::failed_challenges(phone_hash).attributes())).consistent_read(true);
        let Some(item) = self.table.get(call).await? else { return Ok(0) };
        let is_remembered = Reader::new(&item, "failed challenges").instant("expires_at")? > now;
        let failed = item.get("failed").and_then(|set| set.as_ss().ok()).map_or(0, Vec::len);
        Ok(if is_remembered { failed } else { 0 })
    }

    /// Remembers, for 30 days from now, that a challenge of a phone has failed. The same challenge counts once.
    ///
    /// One write; two when as many are remembered as matter; three when the memory was over and begins anew.
    pub async fn note_failed_challenge(
        &self,
        phone_hash: &[u8; 32],
        challenge_id: &str,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        // Of two failures that find it over, one begins it anew and the other is refused there: so it adds itself then.
        for step in [FailureStep::Add, FailureStep::Prolong, FailureStep::BeginAnew, FailureStep::Add] {
            if let Write::Done(_) = self.failure_write(phone_hash, challenge_id, now, step).await? {
                break;
            }
        }
        Ok(())
    }

    async fn failure_write(
        &self,
        phone_hash: &[u8; 32],
        challenge_id: &str,
        now: Timestamp,
        step: FailureStep,
    ) -> Result<Write, StoreError> {
        const IS_OVER: &str = "expires_at <= :now";
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

    /// Forgets the failed challenges of a phone: somebody has signed in with it.
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
    /// Those that were remembered are over: it is the first again.
    BeginAnew,
    /// As many are remembered as matter: they are remembered for longer.
    Prolong,
}
