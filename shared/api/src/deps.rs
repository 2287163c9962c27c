//! What every function of a stack is given: handles of tables, keys and settings.
//!
//! A function names the tables that it reaches by the type `H`. It cannot reach another.

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

/// The handles of a function's tables, with the keys and the configuration.
///
/// `deps.ledger` is the handle of the ledger, when `H` has one. Cloning is cheap.
#[derive(Clone)]
pub struct Deps<H> {
    /// The tables that the function reaches.
    pub tables: H,
    /// What all functions of the stack share. It is built once for each process.
    pub stack: Arc<Stack>,
}

/// The keys and settings of a stack, ready to be used. It has no `Debug`: keys are in it.
pub struct Stack {
    /// The configuration that the process was started with.
    pub config: Config,
    /// Makes and reads coupons' codes.
    pub codes: CodeKeyRing,
    /// Makes and reads public ids, like `mem_…` and `cpn_…`.
    pub ids: IdCipher,
    /// Hashes, seals, and makes the proofs that are stored nowhere.
    pub vault: Vault,
    /// Makes and verifies members' tokens.
    pub member_tokens: MemberTokens,
    /// Verifies operators' tokens. It asks their provider for its keys.
    pub operator_tokens: OperatorTokens,
    /// Sends one-time codes.
    pub sms: SmsGateway,
}

impl Stack {
    /// A stack of this configuration and these keys.
    ///
    /// Errors name the part of the secrets that is not usable, and never a key.
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
    /// The same for a function that reaches only some of the tables.
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
    /// The time by the stack's clock. Within one request it may be asked more than once.
    pub fn now(&self) -> Timestamp {
        self.tables.clock().now()
    }

    /// The member who asks, by the bearer token; 401 when there is no good one. No table is read.
    pub fn member(&self, request: &Request) -> Result<MemberPrincipal, ApiError> {
        let stack = &self.stack;
        stack.member_tokens.principal(request.bearer(), &stack.ids, &stack.vault, self.now())
    }

    /// The operator's employee who asks, when the route lets them.
    ///
    /// 401 without a good token, 403 for another province, role or scope, 503 when the provider's keys cannot
    /// be had.
    pub async fn operator(&self, request: &Request, who: Who) -> Result<Operator, ApiError> {
        self.stack.operator_tokens.principal(request.bearer(), self.tables.clock()).await?.allowed(who)
    }
}

impl<H: Handles + AsRef<Catalog>> Deps<H> {
    /// The merchant who asks, by the bearer token; 401 when there is no good one. It reads the catalog.
    pub async fn merchant(&self, request: &Request) -> Result<Arc<MerchantRecord>, ApiError> {
        merchant::principal(self.tables.as_ref(), request.bearer(), &self.stack.config.issuer, self.now()).await
    }
}
