//! A platform's interface, spoken to with an account's token; a token that is refused is replaced once.

use crate::account::Account;
use reelmill_http::{Answer, Guard, Service, Settings};
use reelmill_sdk::prelude::*;
use std::time::Duration;

/// How a platform wants its token.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TokenPlace {
    /// `Authorization: Bearer`.
    Bearer,
    /// A parameter of the address.
    Parameter(&'static str),
}

/// A platform.
pub struct Api {
    name: &'static str,
    base: String,
    place: TokenPlace,
    timeout: Duration,
    account: Account,
    service: Option<Service>,
}

impl Api {
    /// A platform at an address. Nothing is sent.
    pub const fn new(
        name: &'static str,
        base: String,
        place: TokenPlace,
        timeout: Duration,
        account: Account,
    ) -> Self {
        Self { name, base, place, timeout, account, service: None }
    }

    /// The client, with the token that is good now.
    pub fn service(&mut self, cx: &Cx<'_>) -> Result<&Service, StageError> {
        if self.service.is_none() {
            self.service = Some(self.open(cx)?);
        }
        self.service.as_ref().ok_or_else(|| StageError::internal("a client was not opened"))
    }

    fn open(&mut self, cx: &Cx<'_>) -> Result<Service, StageError> {
        let token = self.account.token(cx)?;
        let settings =
            Settings { address: "base_url", key: "auth", timeout: "timeout_seconds", ..Settings::default() };
        // Places to upload to lie on other hosts of the platform.
        let mut builder = Service::new(self.name, &self.base)
            .settings(settings)
            .timeout(self.timeout)
            .guard(Guard::public());
        for secret in self.account.secrets() {
            builder = builder.secret(secret);
        }
        match self.place {
            TokenPlace::Bearer => builder.bearer(&token),
            TokenPlace::Parameter(name) => builder.secret_query(name, &token),
        }
        .open()
    }

    /// The token that is good now.
    pub fn token(&mut self, cx: &Cx<'_>) -> Result<String, StageError> {
        self.account.token(cx)
    }

    /// Sends something, and once more with another token when the first is refused.
    pub fn call(
        &mut self,
        cx: &Cx<'_>,
        is_refused: impl Fn(&Answer) -> bool,
        send: impl Fn(&Service) -> Result<Answer, StageError>,
    ) -> Result<Answer, StageError> {
        let answer = send(self.service(cx)?)?;
        if !is_refused(&answer) || !self.account.can_refresh() {
            return Ok(answer);
        }
        cx.info(format!("{} refuses the access token; it is refreshed", self.name));
        self.account.renew(cx)?;
        self.service = None;
        send(self.service(cx)?)
    }

    /// A text without any token.
    pub fn redact(&self, text: &str) -> String {
        self.service.as_ref().map_or_else(|| "***".to_owned(), |service| service.redact(text))
    }
}

/// The usual sign of a refused token.
pub fn is_unauthorized(answer: &Answer) -> bool {
    answer.status() == 401
}
