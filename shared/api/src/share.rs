//! Partners' share codes (C6): `<partner>-<signature>`, like `teahouse-7kq2m4x9c0d1e`, at most 32 bytes.
//!
//! The signature is HMAC-SHA-256 over the partner's id, cut to 65 bits and written in Crockford's base 32.
//! Somebody who guesses would need 2⁶⁴ claims to find one.

use crate::vault::Vault;
use aws_lc_rs::constant_time;
use mealticket_domain::{PartnerId, Share, ShareCode};

/// Crockford's base 32, in small letters: links are written in them.
const SYMBOLS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
/// Symbols of a signature: 13 × 5 bits.
const SIGNATURE_SYMBOLS: usize = 13;
/// The prefix of a partner's id, which a share code leaves out.
const PREFIX: &str = "ptn_";

impl Vault {
    /// The share code of a partner.
    ///
    /// The same partner always has the same code, until the key changes. Older codes stay good as long as
    /// their key is in the ring.
    pub fn share_code(&self, partner: &PartnerId) -> Option<ShareCode> {
        let signature = symbols(self.shares.mac(&parts(partner)));
        format!("{}-{signature}", partner.as_str().strip_prefix(PREFIX)?).parse().ok()
    }

    /// What a share code is worth: the partner that it was signed for, or the mere text.
    ///
    /// Nothing is refused here: a wrong code earns nothing, and the claim goes on.
    pub fn share(&self, code: ShareCode) -> Share {
        self.partner(&code).map_or(Share::Unverified(code), Share::Partner)
    }

    /// The partner that a code was signed for, by any key of the ring. It compares in constant time.
    fn partner(&self, code: &ShareCode) -> Option<PartnerId> {
        let (partner, signature) = code.as_str().rsplit_once('-')?;
        let partner: PartnerId = format!("{PREFIX}{partner}").parse().ok()?;
        let is_right =
            |mac| constant_time::verify_slices_are_equal(symbols(mac).as_bytes(), signature.as_bytes()).is_ok();
        self.shares.any(&parts(&partner), is_right).then_some(partner)
    }
}

/// The bytes that are signed. The label keeps them apart from those of every other use.
fn parts(partner: &PartnerId) -> [&[u8]; 2] {
    [b"share", partner.as_str().as_bytes()]
}

/// The first 65 bits of an authentication code, in thirteen symbols.
fn symbols(mac: [u8; 32]) -> String {
    let bits =
        mac.iter().take(9).fold(0u128, |bits, byte| bits << 8 | u128::from(*byte)) >> (9 * 8 - SIGNATURE_SYMBOLS * 5);
    let symbol = |at: usize| SYMBOLS.get((bits >> (at * 5)) as usize & 31).copied().map_or('0', char::from);
    (0..SIGNATURE_SYMBOLS).rev().map(symbol).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secrets::{Key, Secrets, VersionedKey};

    #[test]
    fn a_share_code_names_its_partner_and_every_changed_bit_makes_it_a_mere_text() {
        let mut secrets = Secrets::generate().unwrap();
        let vault = Vault::new(&secrets).unwrap();
        for partner in ["ptn_t", "ptn_abcdefghijklmnopqr"] {
            let partner: PartnerId = partner.parse().unwrap();
            let code = vault.share_code(&partner).unwrap();
            assert!(code.as_str().len() <= 32, "{code}");
            assert_eq!(vault.share(code.clone()), Share::Partner(partner.clone()));
            let mut texts = 0;
            for bit in 0..code.as_str().len() * 8 {
                let mut bytes = code.as_str().as_bytes().to_vec();
                bytes[bit / 8] ^= 1 << (bit % 8);
                let Some(changed) = String::from_utf8(bytes).ok().and_then(|text| text.parse::<ShareCode>().ok())
                else {
                    continue;
                };
                assert_eq!(vault.share(changed.clone()), Share::Unverified(changed));
                texts += 1;
            }
            assert!(texts > 60, "{texts}");
            for length in 1..code.as_str().len() {
                let cut: ShareCode = code.as_str()[..length].parse().unwrap();
                assert_eq!(vault.share(cut.clone()), Share::Unverified(cut));
            }
            let stranger = Vault::new(&Secrets::generate().unwrap()).unwrap();
            assert_eq!(stranger.share(code.clone()).partner(), None, "another stack's");
            secrets.share_keys.insert(0, VersionedKey { version: 2, key: Key([1; 32]) });
            let newer = Vault::new(&secrets).unwrap();
            assert_eq!(newer.share(code.clone()).partner(), Some(&partner), "an older key's");
            assert_ne!(newer.share_code(&partner), Some(code));
            secrets.share_keys.remove(0);
        }
    }
}
