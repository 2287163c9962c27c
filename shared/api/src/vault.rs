//! Keyed hashes and sealed values. Each use has a label of its own, so that a value made for one means nothing in another.

use crate::{problem::ApiError, random, secrets::Secrets};
use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    constant_time, hmac,
};
use mealticket_domain::{MemberNo, Phone};
use std::fmt;

/// Holds the keys of hashes and seals. `Debug` is redacted.
pub struct Vault {
    phone: hmac::Key,
    otp: hmac::Key,
    session: hmac::Key,
    seal: LessSafeKey,
}

/// What a sealed value is; part of what is authenticated, so that one kind cannot pass as another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sealed {
    /// A member's phone.
    Phone,
    /// A member's attributes in an access token.
    Attributes,
    /// A merchant's webhook secret.
    WebhookSecret,
    /// What messages to a merchant's endpoint are signed with.
    EndpointSecret,
    /// A webhook's body.
    WebhookBody,
}

impl Sealed {
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

impl Vault {
    /// A vault with these keys.
    pub fn new(secrets: &Secrets) -> Result<Self, ApiError> {
        let key = |key: &[u8; 32]| hmac::Key::new(hmac::HMAC_SHA256, key);
        let seal = UnboundKey::new(&AES_256_GCM, &secrets.seal_key.0);
        Ok(Vault {
            phone: key(&secrets.phone_key.0),
            otp: key(&secrets.otp_key.0),
            session: key(&secrets.session_key.0),
            seal: LessSafeKey::new(seal.map_err(|_| ApiError::internal("seal key"))?),
        })
    }

    /// What stands for a phone in an index.
    pub fn phone_hash(&self, phone: &Phone) -> [u8; 32] {
        mac(&self.phone, &[b"phone", phone.expose_e164().as_bytes()])
    }

    /// What stands for a source address in a counter.
    pub fn source_hash(&self, address: &str) -> [u8; 32] {
        mac(&self.phone, &[b"source", address.as_bytes()])
    }

    /// What stands for a one-time code within its challenge.
    pub fn otp_hash(&self, challenge_id: &str, otp: &str) -> [u8; 16] {
        short(mac(&self.otp, &[challenge_id.as_bytes(), otp.as_bytes()]))
    }

    /// The session family that a proof begins: the same proof begins the same family.
    pub fn family_of_challenge(&self, challenge_id: &str) -> [u8; 16] {
        short(mac(&self.session, &[b"family", challenge_id.as_bytes()]))
    }

    /// The proof that a refresh token of this family and generation was given out by us.
    pub fn refresh_mac(&self, family_id: &[u8; 16], generation: u32) -> [u8; 32] {
        mac(&self.session, &[b"refresh", family_id, &generation.to_be_bytes()])
    }

    /// Whether that proof is the right one, in constant time.
    pub fn refresh_mac_matches(&self, family_id: &[u8; 16], generation: u32, proof: &[u8]) -> bool {
        constant_time::verify_slices_are_equal(&self.refresh_mac(family_id, generation), proof).is_ok()
    }

    /// Seals a value: AES-256-GCM under a random nonce, which goes before it.
    pub fn seal(&self, kind: Sealed, plain: &[u8]) -> Result<Vec<u8>, ApiError> {
        let nonce: [u8; NONCE_LEN] = random::bytes()?;
        let mut sealed = plain.to_vec();
        self.seal
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(kind.label()), &mut sealed)
            .map_err(|_| ApiError::internal("a value could not be sealed"))?;
        Ok([&nonce[..], &sealed].concat())
    }

    /// Opens a sealed value; `None` when it was not sealed here for this kind.
    pub fn open(&self, kind: Sealed, sealed: &[u8]) -> Option<Vec<u8>> {
        let (nonce, rest) = sealed.split_at_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut rest = rest.to_vec();
        let plain = self.seal.open_in_place(nonce, Aad::from(kind.label()), &mut rest).ok()?;
        Some(plain.to_vec())
    }

    /// A member's phone, sealed.
    pub fn seal_phone(&self, phone: &Phone) -> Result<Vec<u8>, ApiError> {
        self.seal(Sealed::Phone, phone.expose_e164().as_bytes())
    }

    /// A sealed phone, opened.
    pub fn open_phone(&self, sealed: &[u8]) -> Result<Phone, ApiError> {
        let plain = self.open(Sealed::Phone, sealed).and_then(|plain| String::from_utf8(plain).ok());
        plain.and_then(|text| text.parse().ok()).ok_or_else(|| ApiError::internal("a sealed phone does not open"))
    }

    /// The principal of a member, in the scope of an idempotency key.
    pub fn principal(member: MemberNo) -> String {
        format!("member:{}", member.get())
    }
}

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

    #[test]
    fn a_sealed_value_opens_for_its_kind_alone_and_notices_every_change() {
        let vault = Vault::new(&Secrets::generate().unwrap()).unwrap();
        let sealed = vault.seal(Sealed::Phone, b"+8613800138000").unwrap();
        assert_eq!(vault.open(Sealed::Phone, &sealed).as_deref(), Some(&b"+8613800138000"[..]));
        assert_eq!(vault.open(Sealed::Attributes, &sealed), None);
        assert_eq!(vault.open(Sealed::Phone, &sealed[..11]), None);
        for at in 0..sealed.len() {
            let mut spoilt = sealed.clone();
            spoilt[at] ^= 1;
            assert_eq!(vault.open(Sealed::Phone, &spoilt), None, "byte {at}");
        }
        assert_ne!(sealed, vault.seal(Sealed::Phone, b"+8613800138000").unwrap());
    }
}
