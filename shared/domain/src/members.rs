//! Members (会员): who they are, and how they sign in.
//!
//! A member signs in with a one-time code by short message (`otp`), and stays signed in by a session
//! (`session`).

pub mod member;
pub mod otp;
pub mod session;
