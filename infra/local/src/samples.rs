//! The samples of `events/` with their placeholders filled: a member, coupons in every state, tokens, signatures.

mod books;
mod webhooks;

use crate::{Result, StackError, key_file::KeyFile, workspace};
use mealticket_api::{
    ApiError, Deps, Subject,
    auth::{member::MemberPrincipal, refresh::RefreshToken},
    vault::Vault,
};
use mealticket_domain::ClaimRequest;
use mealticket_domain::{
    CampaignNo, Coupon, CouponKey, Fingerprint, HoldRequest, HoldTag, IdempotencyKey, KeyHash, MemberAttributes,
    MemberNo, Order, Ordinal, Phone, Reason, RedeemRequest, StoreId, Timestamp, coupon::RedemptionSource,
    limits::HOLD_SECONDS_MAX, otp::GUESSES_MAX, presentation::Presentation,
};
use mealticket_store::{
    AttributePath, Tables,
    identities::{Challenge, SignedUp},
    members::{ClaimOutcome, HoldOutcome, Profile, RedeemOutcome, ReverseRequest},
};
use serde_json::Value;
use std::{
    collections::BTreeMap,
    fmt::Display,
    fs,
    path::{Path, PathBuf},
};

/// The member of the samples, and a phone that is no member.
const MEMBER_PHONE: &str = "+8613800138000";
/// See [`MEMBER_PHONE`].
const NEW_PHONE: &str = "+8613800138009";
/// The one-time code of every sample challenge.
const OTP: &str = "123456";
/// The order that the coupon `active_code` was validated for.
const REPORTED_ORDER: &str = "LT-20261122-0042";
/// The merchant whose secret signs the sample webhooks.
const SIGNER: &str = "mch_luckytea";
/// Filled last: it depends on everything else in the file.
const SIGNATURE: &str = "{{webhook_signature}}";

/// What the placeholders stand for, in one world.
pub struct Samples {
    values: BTreeMap<&'static str, String>,
    signer: crate::key_file::MerchantSecrets,
}

/// Every sample file: `events/<function>/<result>.json`.
pub fn files() -> Result<Vec<PathBuf>> {
    let root = workspace::root().join("events");
    let mut files = Vec::new();
    for folder in list(&root)?.into_iter().filter(|path| path.is_dir()) {
        files.extend(list(&folder)?.into_iter().filter(|path| path.extension().is_some_and(|kind| kind == "json")));
    }
    Ok(files)
}

/// Whether a sample is a request over HTTP: its name begins with the status of the answer.
pub fn is_http(file: &Path) -> bool {
    file.file_name().is_some_and(|name| name.to_string_lossy().starts_with(|first: char| first.is_ascii_digit()))
}

fn list(folder: &Path) -> Result<Vec<PathBuf>> {
    let failed = |error: std::io::Error| StackError::caused(folder.display(), error);
    let entries = fs::read_dir(folder).map_err(failed)?.map(|entry| entry.map(|entry| entry.path()));
    let mut paths = entries.collect::<std::io::Result<Vec<_>>>().map_err(failed)?;
    paths.sort();
    Ok(paths)
}

impl Samples {
    /// Puts into the tables what the samples speak of.
    pub async fn prepare(deps: &Deps<Tables>, keys: &KeyFile) -> Result<Self> {
        let mut world = World { deps, keys, now: deps.now(), values: BTreeMap::new() };
        world.put("now", world.now.to_string());
        world.put("webhook_timestamp", world.now.unix_seconds().to_string());
        let member = world.member().await?;
        let redeemed = world.coupons(member).await?;
        world.held_coupon().await?;
        world.challenges().await?;
        world.sessions(member).await?;
        world.merchants()?;
        world.books(&redeemed).await?;
        world.webhooks(&redeemed).await?;
        Ok(Samples { values: world.values, signer: keys.merchant(SIGNER)?.clone() })
    }

    /// A text with its placeholders filled, but for the signature's.
    pub fn fill(&self, text: &str) -> String {
        self.values.iter().fold(text.to_owned(), |text, (name, value)| text.replace(&format!("{{{{{name}}}}}"), value))
    }

    /// A sample with its placeholders filled.
    pub fn render(&self, file: &Path) -> Result<Value> {
        let failed = |error: &dyn Display| StackError::caused(file.display(), error);
        let text = self.fill(&fs::read_to_string(file).map_err(|error| failed(&error))?);
        let mut event: Value = serde_json::from_str(&text).map_err(|error| failed(&error))?;
        if text.contains(SIGNATURE) {
            let signature = self.signature(&event)?;
            if let Some(header) = event.pointer_mut("/headers/webhook-signature") {
                *header = header.as_str().unwrap_or_default().replace(SIGNATURE, &signature).into();
            }
        }
        match event.to_string().split_once("{{") {
            Some((_, rest)) => {
                Err(failed(&format!("unknown placeholder {{{{{}", rest.chars().take(20).collect::<String>())))
            }
            None => Ok(event),
        }
    }

    fn signature(&self, event: &Value) -> Result<String> {
        let text = |pointer: &str| event.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        let sent_at = text("/headers/webhook-timestamp").parse().ok().and_then(Timestamp::from_unix_seconds);
        let sent_at = sent_at.unwrap_or(Timestamp::MIN);
        let [_, _, (_, signature)] =
            self.signer.sign(text("/headers/webhook-id"), sent_at, text("/body").as_bytes())?;
        Ok(signature)
    }
}

struct World<'a> {
    deps: &'a Deps<Tables>,
    keys: &'a KeyFile,
    now: Timestamp,
    values: BTreeMap<&'static str, String>,
}

fn failed(error: impl Display) -> StackError {
    StackError::caused("the samples", error)
}

fn refused(what: &impl std::fmt::Debug) -> StackError {
    failed(format!("{what:?}"))
}

fn parsed<T: std::str::FromStr>(text: &str) -> Result<T> {
    text.parse().map_err(|_| failed(text))
}

impl World<'_> {
    fn put(&mut self, name: &'static str, value: String) {
        self.values.insert(name, value);
    }

    async fn member(&mut self) -> Result<MemberNo> {
        let phone: Phone = parsed(MEMBER_PHONE)?;
        let vault = &self.deps.stack.vault;
        let now = self.now;
        let channel = parsed("app")?;
        let profile = |member, attributes| -> std::result::Result<Profile, ApiError> {
            Ok(Profile {
                member,
                phone_sealed: vault.seal_phone(&AttributePath::phone_of_member(member), &phone)?,
                joined_at: now,
                channel: mealticket_domain::Channel::clone(&channel),
                inviter: None,
                terms_version: "1".to_owned(),
                privacy_version: "1".to_owned(),
                attributes,
                sessions_valid_from: None,
            })
        };
        let signed_up = self
            .deps
            .identities
            .sign_up(&self.deps.members, &self.deps.stock, &vault.phone_hash(&phone), now, profile)
            .await;
        let signed_up = signed_up.map_err(|error| failed(error.code().as_str()))?;
        let (SignedUp::Joined(profile) | SignedUp::KnownAlready(profile)) = signed_up;
        self.put("member_id", self.deps.stack.ids.member_id(profile.member));
        Ok(profile.member)
    }

    async fn claim(&self, member: MemberNo, campaign: u32, key: &str, at: Timestamp) -> Result<Coupon> {
        let no = CampaignNo::try_from(campaign).map_err(failed)?;
        let campaign = self.deps.catalog.campaign(no).await.map_err(failed)?.ok_or_else(|| failed(no))?;
        let key: IdempotencyKey = parsed(key)?;
        let request = ClaimRequest {
            member,
            key: key.hash(&Vault::principal(member), "claim"),
            fingerprint: Fingerprint::of(&[None, None]),
            attributes: MemberAttributes::default(),
            channel: None,
            share: None,
            key_version: self.deps.stack.codes.newest_version(),
            now: at,
        };
        match self
            .deps
            .members
            .claim(&self.deps.catalog, &self.deps.stock, &campaign, &request)
            .await
            .map_err(failed)?
        {
            ClaimOutcome::Claimed(coupon) | ClaimOutcome::Replayed(coupon) => Ok(*coupon),
            other => Err(refused(&other)),
        }
    }

    fn code(&self, key: CouponKey) -> Result<String> {
        let codes = &self.deps.stack.codes;
        let code = codes.code(key, codes.newest_version()).ok_or_else(|| failed("the code key"))?;
        Ok(code.expose())
    }

    /// A coupon of another member, held for an order.
    async fn held_coupon(&mut self) -> Result<()> {
        let neighbour = MemberNo::try_from(9_999_999).map_err(failed)?;
        let coupon = self.claim(neighbour, 2, "sample-claim-held", self.now).await?;
        let key: IdempotencyKey = parsed("sample-hold-key-000")?;
        let redemption = RedeemRequest {
            key: key.hash("mch_yuehui", "hold"),
            fingerprint: Fingerprint::of(&[Some("sample")]),
            source: RedemptionSource::Api,
            at: self.now,
            store_id: parsed("sto_yuehui01")?,
            city: "广州".to_owned(),
            order: Order { order_no: parsed("SEED-HELD")?, amount: 10_000u64.try_into().map_err(failed)? },
            hold: None,
            cashier: None,
        };
        let request = HoldRequest { redemption, seconds: HOLD_SECONDS_MAX };
        match self
            .deps
            .members
            .hold(&self.deps.catalog, coupon.key, coupon.key_version, &request)
            .await
            .map_err(failed)?
        {
            HoldOutcome::Held(held) | HoldOutcome::Replayed(held) => {
                let order = held.hold.as_ref().map(|hold| hold.order).ok_or_else(|| failed("a hold"))?;
                self.put("hold_id", self.deps.stack.ids.hold_id(coupon.key, HoldTag::of(order)));
            }
            other => return Err(refused(&other)),
        }
        let code = self.code(coupon.key)?;
        self.put("held_code", code);
        Ok(())
    }

    async fn coupons(&mut self, member: MemberNo) -> Result<Coupon> {
        let active = self.claim(member, 1, "sample-claim-cmp-0001", self.now).await?;
        let redeemed = self.claim(member, 2, "sample-claim-cmp-0002-a", self.now).await?;
        let reversed = self.claim(member, 2, "sample-claim-cmp-0002-b", self.now).await?;
        let pending = self.claim(member, 3, "sample-claim-cmp-0003", self.now).await?;
        let expired = self.claim(member, 9, "sample-claim-cmp-0009", parsed("2026-08-01T00:00:00Z")?).await?;
        self.redeem(&redeemed, "SEED-1").await?;
        self.redeem(&reversed, "SEED-2").await?;
        self.reverse(&reversed).await?;
        let unknown = CouponKey { ordinal: Ordinal::try_from(5).map_err(failed)?, ..active.key };
        for (name, key) in [
            ("active_code", active.key),
            ("redeemed_code", redeemed.key),
            ("pending_code", pending.key),
            ("expired_code", expired.key),
            ("unknown_code", unknown),
        ] {
            let code = self.code(key)?;
            self.put(name, code);
        }
        let foreign = self.code(active.key)?.replacen("44-", "43-", 1);
        self.put("foreign_code", foreign);
        let ids = &self.deps.stack.ids;
        let (coupon_id, redemption_id) = (ids.coupon_id(active.key), ids.redemption_id(redeemed.key, 0));
        let reversed_id = ids.redemption_id(reversed.key, 0);
        let shown = Presentation { key_version: active.key_version, at: self.now, held_until: None };
        let (merchant, order_no) = (parsed("mch_luckytea")?, parsed(REPORTED_ORDER)?);
        let subject = Subject { merchant: &merchant, coupon: active.key, order_no: &order_no };
        self.put("active_proof", self.deps.stack.vault.proof(subject, &shown));
        self.put("active_coupon_id", coupon_id);
        self.put("redemption_id", redemption_id);
        self.put("reversed_redemption_id", reversed_id);
        Ok(redeemed)
    }

    async fn redeem(&self, coupon: &Coupon, order_no: &str) -> Result<()> {
        let store_id: StoreId = parsed("sto_yuehui01")?;
        let amount = 10_000u64;
        let key: IdempotencyKey = parsed(&format!("sample-redeem-{order_no}"))?;
        let parts = [Some(store_id.as_str()), Some(order_no), Some("10000"), None, None];
        let request = RedeemRequest {
            key: key.hash("mch_yuehui", "redeem"),
            fingerprint: Fingerprint::of(&parts),
            source: RedemptionSource::Api,
            at: self.now,
            store_id: store_id.clone(),
            city: "广州".to_owned(),
            order: Order { order_no: parsed(order_no)?, amount: amount.try_into().map_err(failed)? },
            hold: None,
            cashier: None,
        };
        let tables = &self.deps.tables;
        let campaign =
            tables.catalog.campaign(coupon.key.campaign).await.map_err(failed)?.ok_or_else(|| failed("campaign"))?;
        match tables
            .members
            .redeem(&tables.catalog, &campaign, coupon.key, coupon.key_version, &request)
            .await
            .map_err(failed)?
        {
            RedeemOutcome::Redeemed(..) | RedeemOutcome::Replayed(..) => Ok(()),
            other => Err(refused(&other)),
        }
    }

    async fn reverse(&self, coupon: &Coupon) -> Result<()> {
        let reason: Reason = parsed("sample")?;
        let request = ReverseRequest {
            key: KeyHash([1; 16]),
            fingerprint: Fingerprint::of(&[Some(reason.as_str())]),
            reason,
            now: self.now,
        };
        self.deps.members.reverse(&self.deps.catalog, coupon.key, 0, &request).await.map(drop).map_err(failed)
    }

    async fn challenges(&mut self) -> Result<()> {
        let late = self.now.plus_seconds(300);
        for (name, id, phone, expires_at) in [
            ("challenge_id", "sample-challenge-new-1", NEW_PHONE, late),
            ("member_challenge_id", "sample-challenge-mem-1", MEMBER_PHONE, late),
            ("expired_challenge_id", "sample-challenge-old-1", MEMBER_PHONE, self.now),
        ] {
            let vault = &self.deps.stack.vault;
            let challenge = Challenge {
                id: id.to_owned(),
                phone_sealed: vault
                    .seal_phone(&AttributePath::phone_of_challenge(id), &parsed(phone)?)
                    .map_err(|_| failed("sealing"))?,
                otp_hash: vault.otp_hash(id, OTP),
                expires_at,
                guesses_max: GUESSES_MAX,
                failed_before: false,
            };
            self.deps.identities.put_challenge(&challenge).await.map_err(failed)?;
            self.put(name, id.to_owned());
        }
        Ok(())
    }

    async fn sessions(&mut self, member: MemberNo) -> Result<()> {
        let random = || mealticket_api::random::bytes().map_err(|_| failed("randomness"));
        let (fresh, stale): ([u8; 16], [u8; 16]) = (random()?, random()?);
        for (name, family_id) in [("refresh_token", fresh), ("stale_refresh_token", stale)] {
            self.deps.identities.begin_session(&family_id, member, self.now, None).await.map_err(failed)?;
            let token = RefreshToken { family_id, generation: 0 };
            self.put(name, token.expose(&self.deps.stack.vault));
        }
        self.deps.identities.present_refresh(&stale, 9, self.now).await.map_err(failed)?;
        let stack = &self.deps.stack;
        let principal = MemberPrincipal { member, family_id: fresh, attributes: MemberAttributes::default() };
        let token = stack.member_tokens.issue(&principal, &stack.ids, &stack.vault, self.now);
        self.put("member_token", token.map_err(|_| failed("a token"))?);
        Ok(())
    }

    fn merchants(&mut self) -> Result<()> {
        for (name, merchant) in [
            ("luckytea_token", "mch_luckytea"),
            ("yuehui_token", "mch_yuehui"),
            ("laoxiguan_token", "mch_laoxiguan"),
            ("starcinema_token", "mch_starcinema"),
        ] {
            let token = self.keys.merchant(merchant)?.token(merchant, &self.deps.stack.config.issuer, self.now)?;
            self.put(name, token);
        }
        Ok(())
    }
}
