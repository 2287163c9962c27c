//! Members (会员): who they are, and how they sign in.

pub mod member;
pub mod otp;
pub mod session;
