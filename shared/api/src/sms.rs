//! How a one-time code reaches a phone.

use crate::problem::ApiError;
use mealticket_domain::Phone;
use std::io::Write;
use tokio::sync::mpsc::UnboundedSender;

/// Sends short messages. The operator's HTTPS gateway comes with deployment.
#[derive(Debug, Clone)]
pub enum SmsGateway {
    /// Printed, a JSON object a line, for whoever runs a stack on one machine to read.
    Printed,
    /// Handed to somebody in this process: a test that signs people up.
    HandedTo(UnboundedSender<(Phone, String)>),
    /// None is configured. Codes are never printed unless somebody asked for that: a cloud would keep them in a log.
    NotConnected,
}

impl SmsGateway {
    /// Sends a one-time code.
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
