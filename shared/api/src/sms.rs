//! How a one-time code reaches a phone.

use crate::problem::ApiError;
use mealticket_domain::Phone;
use std::io::Write;
use tokio::sync::mpsc::UnboundedSender;

/// Sends short messages. The operator's HTTPS gateway comes with deployment.
#[derive(Debug, Clone)]
pub enum SmsGateway {
    /// Printed to standard output, a JSON object a line, for whoever runs a stack on one machine.
    Printed,
    /// Handed to a channel in this process: for a test that signs people up.
    HandedTo(UnboundedSender<(Phone, String)>),
    /// No gateway is configured, so every message fails with 503.
    ///
    /// Codes are never printed unless somebody asked for that: a cloud would keep them in a log.
    NotConnected,
}

impl SmsGateway {
    /// Sends a one-time code of six digits. 503 when it cannot be sent.
    pub fn send_otp(&self, phone: &Phone, otp: &str) -> Result<(), ApiError> {
        let not_sent = || ApiError::unavailable("the message could not be sent");
        match self {
            SmsGateway::Printed => {
                let line = serde_json::json!({ "message": { "phone": phone.expose_e164(), "otp": otp } });
                writeln!(std::io::stdout().lock(), "{line}").map_err(|_| not_sent())
            }
            SmsGateway::HandedTo(somebody) => somebody.send((phone.clone(), otp.to_owned())).map_err(|_| not_sent()),
            SmsGateway::NotConnected => Err(ApiError::unavailable("no SMS gateway is configured")),
        }
    }
}
