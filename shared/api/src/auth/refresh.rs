//! Refresh tokens: a family, a generation, and the proof that we gave it out.
//!
//! No token is stored. What a table holds is the family: [`mealticket_domain::session`] has its rule.

use crate::vault::Vault;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

/// What a refresh token says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RefreshToken {
    /// The session family: 16 bytes that follow from the sign-in.
    pub family_id: [u8; 16],
    /// Which of the family's tokens it is: 0 for the first.
    pub generation: u32,
}

impl RefreshToken {
    /// The token's text: 16 + 4 + 32 bytes in base64url, 70 characters. For the wire alone.
    pub fn expose(self, vault: &Vault) -> String {
        let proof = vault.refresh_mac(&self.family_id, self.generation);
        URL_SAFE_NO_PAD.encode([&self.family_id[..], &self.generation.to_be_bytes(), &proof].concat())
    }

    /// What a text of ours says; `None` for any other. The proof is compared in constant time.
    pub fn read(text: &str, vault: &Vault) -> Option<Self> {
        let bytes: [u8; 52] = URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok()?;
        let (family_id, rest) = bytes.split_first_chunk::<16>()?;
        let (generation, proof) = rest.split_first_chunk::<4>()?;
        let token = RefreshToken { family_id: *family_id, generation: u32::from_be_bytes(*generation) };
        vault.refresh_mac_matches(&token.family_id, token.generation, proof).then_some(token)
    }

    /// The token of the next generation; `None` after four thousand million.
    pub fn next(self) -> Option<Self> {
        Some(RefreshToken { generation: self.generation.checked_add(1)?, ..self })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secrets::Secrets;

    #[test]
    fn a_token_reads_back_and_every_flipped_bit_is_noticed() {
        let vault = Vault::new(&Secrets::generate().unwrap()).unwrap();
        let token = RefreshToken { family_id: [7; 16], generation: 3 };
        let text = token.expose(&vault);
        assert_eq!(RefreshToken::read(&text, &vault), Some(token));
        let bytes = URL_SAFE_NO_PAD.decode(&text).unwrap();
        for bit in 0..bytes.len() * 8 {
            let mut spoilt = bytes.clone();
            spoilt[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(RefreshToken::read(&URL_SAFE_NO_PAD.encode(spoilt), &vault), None);
        }
        let other = Vault::new(&Secrets::generate().unwrap()).unwrap();
        assert_eq!(RefreshToken::read(&text, &other), None);
        assert_eq!(RefreshToken::read("", &vault), None);
    }
}
