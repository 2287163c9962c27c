//! Random bytes from the operating system, by way of the cryptographic library.
//!
//! Every function here fails with 500 when the system gives none. None falls back to something weaker.

use crate::problem::ApiError;
use aws_lc_rs::rand;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

/// `N` random bytes, fit for keys, nonces and ids.
pub fn bytes<const N: usize>() -> Result<[u8; N], ApiError> {
    let mut bytes = [0; N];
    rand::fill(&mut bytes).map_err(|_| ApiError::internal("the system gave no random bytes"))?;
    Ok(bytes)
}

/// 128 random bits as 22 characters of base64url: a name that nobody can guess.
pub fn name() -> Result<String, ApiError> {
    Ok(URL_SAFE_NO_PAD.encode(bytes::<16>()?))
}

/// Six random digits, leading zeros included: each of the million is equally likely.
///
/// 2⁶⁴ mod 10⁶ leaves a bias below 10⁻¹³.
pub fn six_digits() -> Result<String, ApiError> {
    Ok(format!("{:06}", u64::from_be_bytes(bytes()?) % 1_000_000))
}
