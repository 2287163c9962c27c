//! Where a sealed value belongs: its table by its logical name, its item's key, its attribute.
//!
//! The caller that seals a value binds it to this path. So a value that is copied to another item does not open
//! there. The table's name in the cloud is no part of the path: values of a table that is restored under
//! another name still open.

use crate::{catalog, identities, members, messages, table::key::Key};
use mealticket_domain::{MemberNo, MerchantId, webhook::EndpointId};

/// The path of one attribute of one item. The vault of `mealticket-api` authenticates it with every sealed value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttributePath {
    table: &'static str,
    key: Key,
    attribute: &'static str,
}

impl AttributePath {
    /// A member's phone, in the profile.
    pub fn phone_of_member(member: MemberNo) -> Self {
        AttributePath { table: "members", key: members::keys::profile(member), attribute: "phone_sealed" }
    }

    /// The phone to which a one-time code was sent, in the challenge.
    pub fn phone_of_challenge(challenge_id: &str) -> Self {
        AttributePath { table: "identities", key: identities::keys::challenge(challenge_id), attribute: "phone_sealed" }
    }

    /// One of the secrets or public keys by which we recognise a merchant's reports. Each number has a path of its own.
    pub fn webhook_secret(merchant: &MerchantId, number: u32) -> Self {
        AttributePath { table: "catalog", key: catalog::keys::merchant_secret(merchant, number), attribute: "sealed" }
    }

    /// The secrets with which we sign messages to an endpoint. They share one path, because they share one attribute.
    pub fn endpoint_secret(merchant: &MerchantId, endpoint: &EndpointId) -> Self {
        AttributePath {
            table: "catalog",
            key: catalog::keys::merchant_endpoint(merchant, endpoint),
            attribute: "secrets",
        }
    }

    /// The body of a report, in its receipt. It may hold a code.
    pub fn report_body(merchant: &MerchantId, webhook_id: &str) -> Self {
        AttributePath {
            table: "messages",
            key: messages::keys::receipt(merchant, webhook_id),
            attribute: "body_sealed",
        }
    }

    /// The four parts of the path: table, partition key, sort key, attribute.
    pub fn parts(&self) -> [&str; 4] {
        [self.table, &self.key.pk, &self.key.sk, self.attribute]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A table that is restored has another name in the cloud, and the same here: what was sealed in it opens.
    #[test]
    fn a_path_names_the_table_as_the_template_does_and_the_item_by_its_key() {
        let merchant: MerchantId = "mch_tea".parse().unwrap();
        let paths = [
            (
                AttributePath::phone_of_member(7u64.try_into().unwrap()),
                ["members", "MEMBER#7", "PROFILE", "phone_sealed"],
            ),
            (AttributePath::phone_of_challenge("c"), ["identities", "OTP#c", "CHALLENGE", "phone_sealed"]),
            (AttributePath::webhook_secret(&merchant, 3), ["catalog", "MERCHANT#mch_tea", "SECRET#00003", "sealed"]),
            (
                AttributePath::endpoint_secret(&merchant, &"end_crm".parse().unwrap()),
                ["catalog", "MERCHANT#mch_tea", "ENDPOINT#end_crm", "secrets"],
            ),
            (
                AttributePath::report_body(&merchant, "msg_1"),
                ["messages", "WEBHOOK#mch_tea#msg_1", "RECEIPT", "body_sealed"],
            ),
        ];
        for (path, parts) in paths {
            assert_eq!(path.parts(), parts);
        }
    }
}
