//! What every function of a stack is given.

use crate::{
    auth::{
        member::{MemberPrincipal, MemberTokens},
        merchant,
        operator::{Operator, OperatorTokens, Role},
    },
    config::Config,
    problem::ApiError,
    request::Request,
    secrets::{Secrets, SecretsError},
    sms::SmsGateway,
    vault::Vault,
};
use mealticket_domain::{CodeKeyRing, IdCipher, Timestamp};
use mealticket_store::{Store, merchants::MerchantRecord};
use std::sync::Arc;

/// The tables with the clock, the keys and the configuration.
#[derive(Clone)]
pub struct Deps {
    /// The tables.
    pub store: Store,
    /// What everyone of the stack shares.
    pub stack: Arc<Stack>,
}

/// The keys and settings of a stack.
pub struct Stack {
    /// The configuration.
    pub config: Config,
    /// Makes and reads codes.
    pub codes: CodeKeyRing,
    /// Makes and reads public ids.
    pub ids: IdCipher,
    /// Hashes and seals.
    pub vault: Vault,
    /// Makes and verifies members' tokens.
    pub member_tokens: MemberTokens,
    /// Verifies operators' tokens.
    pub operator_tokens: OperatorTokens,
    /// Sends one-time codes.
    pub sms: SmsGateway,
}

impl Stack {
    /// A stack of this configuration and these keys.
    pub fn new(config: Config, secrets: &Secrets) -> Result<Self, SecretsError> {
        Ok(Stack {
            codes: secrets.code_key_ring(config.province)?,
            ids: secrets.id_cipher(config.province)?,
            vault: Vault::new(secrets).map_err(|_| SecretsError("seal_key"))?,
            member_tokens: MemberTokens::new(&secrets.token_key, &config.issuer)?,
            operator_tokens: OperatorTokens::new(&config.operators, config.province),
            sms: config.sms.clone(),
            config,
        })
    }
}

impl Deps {
    /// Now.
    pub fn now(&self) -> Timestamp {
        self.store.clock().now()
    }

    /// The member who asks, or 401.
    pub fn member(&self, request: &Request) -> Result<MemberPrincipal, ApiError> {
        let stack = &self.stack;
        stack.member_tokens.principal(request.bearer(), &stack.ids, &stack.vault, self.now())
    }

    /// The merchant who asks, or 401.
    pub async fn merchant(&self, request: &Request) -> Result<Arc<MerchantRecord>, ApiError> {
        merchant::principal(&self.store, request.bearer(), &self.stack.config.issuer, self.now()).await
    }

    /// The operator who asks and has one of these roles for the whole province; 401, or 403.
    pub async fn operator(&self, request: &Request, roles: &[Role]) -> Result<Operator, ApiError> {
        self.stack.operator_tokens.principal(request.bearer(), self.now()).await?.with_one_of(roles)
    }
}
