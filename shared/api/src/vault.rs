//! Keyed hashes and sealed values. Each use has a label of its own, so that a value made for one means
//! nothing in another.
//!
//! What is sealed is `0x02 ‖ key version (2 bytes) ‖ nonce (12) ‖ AES-256-GCM`, under a key of its kind. Its
//! kind, that version and the attribute that holds it are authenticated. So a value that is copied to another
//! item, or to another attribute, does not open.

use crate::{
    problem::ApiError,
    random,
    secrets::{Key, Secrets, VersionedKey},
};
use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    constant_time, hmac,
};
use mealticket_domain::{MemberNo, Phone};
use mealticket_store::AttributePath;
use std::{collections::BTreeSet, fmt};

/// Holds the keys of hashes and seals. `Debug` is redacted, and no method returns a key.
pub struct Vault {
    phone: hmac::Key,
    otp: hmac::Key,
    session: hmac::Key,
    pub(crate) proofs: MacRing,
    pub(crate) shares: MacRing,
    seals: SealRings,
    /// Opens what was sealed before every kind had a ring of its own.
    before_rings: Option<LessSafeKey>,
}

/// The ring of each kind of sealed value.
struct SealRings {
    phone: SealRing,
    attributes: SealRing,
    webhook_secret: SealRing,
    endpoint_secret: SealRing,
    webhook_body: SealRing,
}

/// What a sealed value is. It is part of what is authenticated, so one kind cannot pass as another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sealed {
    /// A phone, in a member's profile or in the challenge that proves it.
    Phone,
    /// A member's attributes in an access token.
    Attributes,
    /// The secret or public key that a merchant's reports are recognised by.
    WebhookSecret,
    /// The secret that messages to a merchant's endpoint are signed with.
    EndpointSecret,
    /// The body of a merchant's report.
    WebhookBody,
}

impl Sealed {
    /// The label that is authenticated. Stored values do not open under another, so it never changes.
    const fn label(self) -> &'static [u8] {
        match self {
            Sealed::Phone => b"phone",
            Sealed::Attributes => b"attributes",
            Sealed::WebhookSecret => b"webhook-secret",
            Sealed::EndpointSecret => b"endpoint-secret",
            Sealed::WebhookBody => b"webhook-body",
        }
    }
}

/// The first byte of a sealed value: the second format. The first had no such byte: it began with a random
/// nonce.
const FORMAT: u8 = 2;
/// Bytes before the nonce: the format and the version of the key.
const HEAD_BYTES: usize = 3;

/// The keys of a ring: the first one makes, every one reads.
///
/// Errors: the ring is empty, or a version comes twice or is 0.
fn ring(keys: &[VersionedKey]) -> Result<(&VersionedKey, &[VersionedKey]), ApiError> {
    let versions: BTreeSet<u16> = keys.iter().map(|key| key.version).collect();
    if versions.len() != keys.len() || versions.contains(&0) {
        return Err(ApiError::internal("a ring of keys names a version twice, or version 0"));
    }
    keys.split_first().ok_or_else(|| ApiError::internal("a ring of keys is empty"))
}

/// The keys that seal one kind of value. The first one seals; what is sealed names the version that opens it.
struct SealRing {
    first: (u16, LessSafeKey),
    others: Vec<(u16, LessSafeKey)>,
}

impl SealRing {
    fn new(keys: &[VersionedKey]) -> Result<Self, ApiError> {
        let read = |key: &VersionedKey| Ok::<_, ApiError>((key.version, seal_key(&key.key)?));
        let (first, others) = ring(keys)?;
        Ok(SealRing { first: read(first)?, others: others.iter().map(read).collect::<Result<_, _>>()? })
    }

    /// The key of this version; `None` when the ring no longer has it.
    fn version(&self, version: u16) -> Option<&LessSafeKey> {
        let mut all = std::iter::once(&self.first).chain(&self.others);
        all.find(|(known, _)| *known == version).map(|(_, key)| key)
    }
}

/// A key as AES-256-GCM takes it.
fn seal_key(key: &Key) -> Result<LessSafeKey, ApiError> {
    let key = UnboundKey::new(&AES_256_GCM, &key.0).map_err(|_| ApiError::internal("seal key"))?;
    Ok(LessSafeKey::new(key))
}

/// Keys of message authentication codes (HMAC-SHA-256, RFC 2104). The first one makes them; every one checks
/// them.
pub(crate) struct MacRing {
    first: hmac::Key,
    others: Vec<hmac::Key>,
}

impl MacRing {
    fn new(keys: &[VersionedKey]) -> Result<Self, ApiError> {
        let read = |key: &VersionedKey| hmac::Key::new(hmac::HMAC_SHA256, &key.key.0);
        let (first, others) = ring(keys)?;
        Ok(MacRing { first: read(first), others: others.iter().map(read).collect() })
    }

    /// The code of these parts under the first key.
    pub(crate) fn mac(&self, parts: &[&[u8]]) -> [u8; 32] {
        mac(&self.first, parts)
    }

    /// Whether `is_right` holds for the code of these parts under one of the keys. It compares in constant time.
    pub(crate) fn any(&self, parts: &[&[u8]], is_right: impl Fn([u8; 32]) -> bool) -> bool {
        std::iter::once(&self.first).chain(&self.others).any(|key| is_right(mac(key, parts)))
    }
}

impl Vault {
    /// A vault with these keys. Errors name the defect of a ring, and never a key.
    pub fn new(secrets: &Secrets) -> Result<Self, ApiError> {
        let key = |key: &[u8; 32]| hmac::Key::new(hmac::HMAC_SHA256, key);
        let seals = &secrets.seal_keys;
        Ok(Vault {
            phone: key(&secrets.phone_key.0),
            otp: key(&secrets.otp_key.0),
            session: key(&secrets.session_key.0),
            proofs: MacRing::new(&secrets.proof_keys)?,
            shares: MacRing::new(&secrets.share_keys)?,
            seals: SealRings {
                phone: SealRing::new(&seals.phone)?,
                attributes: SealRing::new(&seals.attributes)?,
                webhook_secret: SealRing::new(&seals.webhook_secret)?,
                endpoint_secret: SealRing::new(&seals.endpoint_secret)?,
                webhook_body: SealRing::new(&seals.webhook_body)?,
            },
            before_rings: secrets.seal_key.as_ref().map(seal_key).transpose()?,
        })
    }

    /// What stands for a phone in an index: 32 bytes. Without the key nobody can find the phone by trying.
    pub fn phone_hash(&self, phone: &Phone) -> [u8; 32] {
        mac(&self.phone, &[b"phone", phone.expose_e164().as_bytes()])
    }

    /// What stands for a source address in a counter. The same key makes it, under another label.
    pub fn source_hash(&self, address: &str) -> [u8; 32] {
        mac(&self.phone, &[b"source", address.as_bytes()])
    }

    /// What stands for a one-time code within its challenge: 16 bytes. In another challenge the same code has
    /// others.
    pub fn otp_hash(&self, challenge_id: &str, otp: &str) -> [u8; 16] {
        short(mac(&self.otp, &[challenge_id.as_bytes(), otp.as_bytes()]))
    }

    /// The session family that a proven challenge begins: 16 bytes.
    ///
    /// The same challenge begins the same family, so a repeated sign-in makes no second session.
    pub fn family_of_challenge(&self, challenge_id: &str) -> [u8; 16] {
        short(mac(&self.session, &[b"family", challenge_id.as_bytes()]))
    }

    /// The proof in a refresh token of this family and generation: 32 bytes that only we can make.
    pub fn refresh_mac(&self, family_id: &[u8; 16], generation: u32) -> [u8; 32] {
        mac(&self.session, &[b"refresh", family_id, &generation.to_be_bytes()])
    }

    /// Whether a refresh token's proof is the right one. It compares in constant time.
    pub fn refresh_mac_matches(&self, family_id: &[u8; 16], generation: u32, proof: &[u8]) -> bool {
        constant_time::verify_slices_are_equal(&self.refresh_mac(family_id, generation), proof).is_ok()
    }

    /// Seals a value that the attribute at `path` holds, under the newest key of its kind and a random nonce.
    ///
    /// 500 when there are no random bytes. Sealing the same value twice gives different bytes.
    pub fn seal(&self, kind: Sealed, path: &AttributePath, plain: &[u8]) -> Result<Vec<u8>, ApiError> {
        self.seal_at(kind, &path.parts(), plain)
    }

    /// Opens a sealed value. `None` when it was not sealed here, for this kind and this attribute, with a key
    /// of the ring.
    pub fn open(&self, kind: Sealed, path: &AttributePath, sealed: &[u8]) -> Option<Vec<u8>> {
        self.open_at(kind, &path.parts(), sealed)
    }

    /// Seals a member's attributes into the token of this `jti` and `sub`: in no other token do they open.
    pub(crate) fn seal_attributes(&self, (jti, sub): (&str, &str), plain: &[u8]) -> Result<Vec<u8>, ApiError> {
        self.seal_at(Sealed::Attributes, &["token", jti, sub], plain)
    }

    /// Opens the attributes of the token of this `jti` and `sub`.
    pub(crate) fn open_attributes(&self, (jti, sub): (&str, &str), sealed: &[u8]) -> Option<Vec<u8>> {
        self.open_at(Sealed::Attributes, &["token", jti, sub], sealed)
    }

    /// The ring of a kind.
    fn ring(&self, kind: Sealed) -> &SealRing {
        match kind {
            Sealed::Phone => &self.seals.phone,
            Sealed::Attributes => &self.seals.attributes,
            Sealed::WebhookSecret => &self.seals.webhook_secret,
            Sealed::EndpointSecret => &self.seals.endpoint_secret,
            Sealed::WebhookBody => &self.seals.webhook_body,
        }
    }

    /// Seals a value with the parts that say where it is held.
    fn seal_at(&self, kind: Sealed, place: &[&str], plain: &[u8]) -> Result<Vec<u8>, ApiError> {
        let (version, key) = &self.ring(kind).first;
        let nonce: [u8; NONCE_LEN] = random::bytes()?;
        let [high, low] = version.to_be_bytes();
        let mut sealed = plain.to_vec();
        let aad = Aad::from(associated(kind, *version, place));
        key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), aad, &mut sealed)
            .map_err(|_| ApiError::internal("a value could not be sealed"))?;
        Ok([&[FORMAT, high, low], &nonce[..], &sealed].concat())
    }

    /// Opens a value with the parts that say where it is held: by the second format, and failing that by the
    /// first.
    fn open_at(&self, kind: Sealed, place: &[&str], sealed: &[u8]) -> Option<Vec<u8>> {
        let opened = match sealed.split_first_chunk::<HEAD_BYTES>() {
            Some(([FORMAT, high, low], rest)) => {
                let version = u16::from_be_bytes([*high, *low]);
                let key = self.ring(kind).version(version);
                key.and_then(|key| open_with(key, associated(kind, version, place), rest))
            }
            _ => None,
        };
        // One nonce of the first format in 256 begins like the second.
        opened.or_else(|| open_with(self.before_rings(kind)?, kind.label().to_vec(), sealed))
    }

    /// The key of the first format, if the stack still has it.
    ///
    /// A token's attributes are never opened with it. That format does not bind them to their token. Every
    /// token of the release before ended within 15 minutes.
    fn before_rings(&self, kind: Sealed) -> Option<&LessSafeKey> {
        self.before_rings.as_ref().filter(|_| kind != Sealed::Attributes)
    }

    /// A phone, sealed for the attribute at `path`.
    pub fn seal_phone(&self, path: &AttributePath, phone: &Phone) -> Result<Vec<u8>, ApiError> {
        self.seal(Sealed::Phone, path, phone.expose_e164().as_bytes())
    }

    /// The phone that the attribute at `path` holds, sealed. 500 when it does not open.
    pub fn open_phone(&self, path: &AttributePath, sealed: &[u8]) -> Result<Phone, ApiError> {
        let plain = self.open(Sealed::Phone, path, sealed).and_then(|plain| String::from_utf8(plain).ok());
        plain.and_then(|text| text.parse().ok()).ok_or_else(|| ApiError::internal("a sealed phone does not open"))
    }

    /// The name of a member in the scope of an idempotency key, like `member:17`. It is hashed, never sent.
    pub fn principal(member: MemberNo) -> String {
        format!("member:{}", member.get())
    }
}

/// What is authenticated beside a sealed value: its kind, its key's version and where it is held.
///
/// Each part has its length before it, so two different lists never give the same bytes.
fn associated(kind: Sealed, version: u16, place: &[&str]) -> Vec<u8> {
    let version = version.to_be_bytes();
    let parts = [kind.label(), &version].into_iter().chain(place.iter().map(|part| part.as_bytes()));
    parts.flat_map(|part| [&(part.len() as u64).to_be_bytes(), part].concat()).collect()
}

/// Opens `nonce ‖ AES-256-GCM` with one key; `None` when anything differs from what was sealed.
fn open_with(key: &LessSafeKey, associated: Vec<u8>, sealed: &[u8]) -> Option<Vec<u8>> {
    let (nonce, rest) = sealed.split_at_checked(NONCE_LEN)?;
    let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
    let mut rest = rest.to_vec();
    let plain = key.open_in_place(nonce, Aad::from(associated), &mut rest).ok()?;
    Some(plain.to_vec())
}

/// HMAC-SHA-256 over length-prefixed parts: two different lists of parts never share an input.
fn mac(key: &hmac::Key, parts: &[&[u8]]) -> [u8; 32] {
    let mut context = hmac::Context::with_key(key);
    for part in parts {
        context.update(&(part.len() as u64).to_be_bytes());
        context.update(part);
    }
    let mut bytes = [0; 32];
    for (to, from) in bytes.iter_mut().zip(context.sign().as_ref()) {
        *to = *from;
    }
    bytes
}

/// The first 128 bits of an authentication code.
fn short(long: [u8; 32]) -> [u8; 16] {
    let mut short = [0; 16];
    for (to, from) in short.iter_mut().zip(long) {
        *to = from;
    }
    short
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Vault([REDACTED])")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PHONE: &[u8] = b"+8613800138000";

    fn member(no: u64) -> AttributePath {
        AttributePath::phone_of_member(no.try_into().unwrap())
    }

    /// What the first format wrote: one key for everything, and a label as the associated data.
    fn sealed_before(key: &[u8; 32], label: &[u8], plain: &[u8]) -> Vec<u8> {
        let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key).unwrap());
        let (nonce, mut sealed) = ([2; NONCE_LEN], plain.to_vec());
        key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(label), &mut sealed).unwrap();
        [&nonce[..], &sealed].concat()
    }

    #[test]
    fn a_sealed_value_opens_for_its_kind_alone_and_notices_every_change() {
        let vault = Vault::new(&Secrets::generate().unwrap()).unwrap();
        let sealed = vault.seal(Sealed::Phone, &member(1), PHONE).unwrap();
        assert_eq!(vault.open(Sealed::Phone, &member(1), &sealed).as_deref(), Some(PHONE));
        assert_eq!(vault.open(Sealed::WebhookBody, &member(1), &sealed), None);
        assert_eq!(vault.open(Sealed::Phone, &member(1), &sealed[..14]), None);
        for at in 0..sealed.len() {
            let mut spoilt = sealed.clone();
            spoilt[at] ^= 1;
            assert_eq!(vault.open(Sealed::Phone, &member(1), &spoilt), None, "byte {at}");
        }
        assert_ne!(sealed, vault.seal(Sealed::Phone, &member(1), PHONE).unwrap());
    }

    #[test]
    fn a_sealed_value_opens_where_it_was_sealed_and_nowhere_else() {
        let vault = Vault::new(&Secrets::generate().unwrap()).unwrap();
        let sealed = vault.seal(Sealed::Phone, &member(1), PHONE).unwrap();
        assert_eq!(vault.open(Sealed::Phone, &member(2), &sealed), None, "another member's profile");
        let challenge = AttributePath::phone_of_challenge("1");
        assert_eq!(vault.open(Sealed::Phone, &challenge, &sealed), None, "another table");
        let attributes = vault.seal_attributes(("jti-1", "mem_1"), b"{}").unwrap();
        assert_eq!(vault.open_attributes(("jti-1", "mem_1"), &attributes).as_deref(), Some(&b"{}"[..]));
        assert_eq!(vault.open_attributes(("jti-2", "mem_1"), &attributes), None, "another token");
        assert_eq!(vault.open_attributes(("jti-1", "mem_2"), &attributes), None, "another member's token");
    }

    #[test]
    fn each_kind_has_a_key_of_its_own_and_an_old_key_opens_what_it_sealed() {
        let mut secrets = Secrets::generate().unwrap();
        let before = Vault::new(&secrets).unwrap().seal(Sealed::Phone, &member(1), PHONE).unwrap();
        secrets.seal_keys.phone.insert(0, VersionedKey { version: 2, key: Key([9; 32]) });
        let vault = Vault::new(&secrets).unwrap();
        let after = vault.seal(Sealed::Phone, &member(1), PHONE).unwrap();
        assert_eq!((&before[1..3], &after[1..3]), (&[0, 1][..], &[0, 2][..]), "the version of the key");
        for sealed in [&before, &after] {
            assert_eq!(vault.open(Sealed::Phone, &member(1), sealed).as_deref(), Some(PHONE));
        }
        secrets.seal_keys.phone.pop();
        assert_eq!(Vault::new(&secrets).unwrap().open(Sealed::Phone, &member(1), &before), None);
        let body = vault.seal(Sealed::WebhookBody, &member(1), PHONE).unwrap();
        secrets.seal_keys.webhook_body = secrets.seal_keys.phone.clone();
        assert_eq!(Vault::new(&secrets).unwrap().open(Sealed::WebhookBody, &member(1), &body), None);
    }

    #[test]
    fn what_was_sealed_before_the_rings_stays_readable() {
        let mut secrets = Secrets::generate().unwrap();
        let sealed = sealed_before(&[5; 32], b"phone", PHONE);
        assert_eq!(Vault::new(&secrets).unwrap().open(Sealed::Phone, &member(1), &sealed), None);
        secrets.seal_key = Some(Key([5; 32]));
        let vault = Vault::new(&secrets).unwrap();
        // Its nonce begins as the second format does.
        assert_eq!(vault.open(Sealed::Phone, &member(1), &sealed).as_deref(), Some(PHONE));
        assert_eq!(vault.open(Sealed::WebhookBody, &member(1), &sealed), None);
    }

    /// It bound them to no token: who could forge a token could give it the attributes of any old one.
    #[test]
    fn attributes_that_were_sealed_before_the_rings_open_for_no_token() {
        let mut secrets = Secrets::generate().unwrap();
        secrets.seal_key = Some(Key([5; 32]));
        let sealed = sealed_before(&[5; 32], b"attributes", b"{}");
        assert_eq!(Vault::new(&secrets).unwrap().open_attributes(("jti-1", "mem_1"), &sealed), None);
    }

    #[test]
    fn a_ring_that_names_a_version_twice_or_version_0_is_no_vault() {
        for version in [1, 0] {
            let another = VersionedKey { version, key: Key([9; 32]) };
            let mut secrets = Secrets::generate().unwrap();
            secrets.seal_keys.phone.push(another.clone());
            assert!(Vault::new(&secrets).is_err(), "{version}");
            let mut secrets = Secrets::generate().unwrap();
            secrets.share_keys.push(another);
            assert!(Vault::new(&secrets).is_err(), "{version}");
        }
    }

    #[test]
    fn an_empty_ring_is_no_vault() {
        let mut secrets = Secrets::generate().unwrap();
        secrets.proof_keys.clear();
        assert!(Vault::new(&secrets).is_err());
        let mut secrets = Secrets::generate().unwrap();
        secrets.seal_keys.attributes.clear();
        assert!(Vault::new(&secrets).is_err());
    }
}
