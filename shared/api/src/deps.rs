//! What every function of a stack is given.

use crate::{
    auth::{
        member::{MemberPrincipal, MemberTokens},
        merchant,
        operator::{Operator, OperatorTokens},
    },
    config::Config,
    problem::ApiError,
    request::Request,
    route::Who,
    secrets::{Secrets, SecretsError},
    sms::SmsGateway,
    vault::Vault,
};
use mealticket_domain::{CodeKeyRing, IdCipher, Timestamp};
use mealticket_store::{Catalog, Handles, Tables, catalog::MerchantRecord};
use std::{ops::Deref, sync::Arc};

/// The handles of a function's tables, with the keys and the configuration. `deps.ledger` is the handle of the ledger, when `H` has one.
#[derive(Clone)]
pub struct Deps<H> {
    /// The tables that the function reaches.
    pub tables: H,
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

impl Deps<Tables> {
    /// The same for a function that reaches some of the tables.
    pub fn narrowed<H: Handles>(&self) -> Deps<H> {
        Deps { tables: self.tables.narrowed(), stack: Arc::clone(&self.stack) }
    }
}

impl<H> Deref for Deps<H> {
    type Target = H;

    fn deref(&self) -> &H {
        &self.tables
    }
}

impl<H: Handles> Deps<H> {
    /// Now.
    pub fn now(&self) -> Timestamp {
        self.tables.clock().now()
    }

    /// The member who asks, or 401.
    pub fn member(&self, request: &Request) -> Result<MemberPrincipal, ApiError> {
        let stack = &self.stack;
        stack.member_tokens.principal(request.bearer(), &stack.ids, &stack.vault, self.now())
    }

    /// The operator's employee who asks, when the route lets them: 401, or 403.
    pub async fn operator(&self, request: &Request, who: Who) -> Result<Operator, ApiError> {
        self.stack.operator_tokens.principal(request.bearer(), self.now()).await?.allowed(who)
    }
}

impl<H: Handles + AsRef<Catalog>> Deps<H> {
    /// The merchant who asks, or 401.
    pub async fn merchant(&self, request: &Request) -> Result<Arc<MerchantRecord>, ApiError> {
        merchant::principal(self.tables.as_ref(), request.bearer(), &self.stack.config.issuer, self.now()).await
    }
}
