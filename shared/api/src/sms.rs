//! How a one-time code reaches a phone.

use crate::problem::ApiError;
use mealticket_domain::Phone;
use std::io::Write;

/// Sends short messages. The operator's HTTPS gateway comes with deployment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SmsGateway {
    /// Printed, a JSON object a line, for whoever runs a stack on one machine to read.
    Printed,
    /// None is configured. Codes are never printed unless somebody asked for that: a cloud would keep them in a log.
    NotConnected,
}

impl SmsGateway {
    /// Sends a one-time code.
    pub fn send_otp(self, phone: &Phone, otp: &str) -> Result<(), ApiError> {
        if self == SmsGateway::NotConnected {
            return Err(ApiError::unavailable("no SMS gateway is configured"));
        }
        let line = serde_json::json!({ "message": { "phone": phone.expose_e164(), "otp": otp } });
        writeln!(std::io::stdout().lock(), "{line}").map_err(|_| ApiError::unavailable("the message could not be sent"))
    }
}
