//! How a one-time code reaches a phone.

use crate::problem::ApiError;
use mealticket_domain::Phone;
use std::io::Write;

/// Sends short messages. On one machine they are printed, a JSON object a line, for whoever runs the stack to read; the
/// operator's HTTPS gateway comes with deployment.
#[derive(Debug, Clone, Copy, Default)]
pub struct SmsGateway;

impl SmsGateway {
    /// Sends a one-time code.
    pub fn send_otp(self, phone: &Phone, otp: &str) -> Result<(), ApiError> {
        let line = serde_json::json!({ "message": { "phone": phone.expose_e164(), "otp": otp } });
        writeln!(std::io::stdout().lock(), "{line}").map_err(|_| ApiError::unavailable("the message could not be sent"))
    }
}
