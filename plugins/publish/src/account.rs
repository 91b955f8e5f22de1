//! Tokens of one account: the given one, or those that a refresh token gets. A refresh token that the service
//! replaces is on the disk before the new access token is used, because the old one is worth nothing then.

use crate::ledger::Ledger;
use reelmill_http::{Answer, Service, Settings};
use reelmill_sdk::prelude::*;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A token that ends this soon is not used: an upload begins with it.
const SPARE_SECONDS: u64 = 120;
/// How long a token is good when the service does not say.
const LIFE_SECONDS: u64 = 3_600;
/// Seconds that the token endpoint may take, unless it is said.
const TIMEOUT_SECONDS: u32 = 30;

/// Who publishes. Either `access_token` alone, or a refresh token with what belongs to it. Each is a secret.
#[derive(Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Auth {
    /// A token that is good as it is.
    pub access_token: Option<String>,
    /// Gets access tokens. When the service replaces it, the new one is kept in `state`.
    pub refresh_token: Option<String>,
    /// The app's id (TikTok calls it the client key).
    pub client_id: Option<String>,
    /// The app's secret.
    pub client_secret: Option<String>,
    /// Where tokens are refreshed, in place of the service's own address.
    pub token_url: Option<String>,
    /// Seconds to wait for the address that refreshes tokens; 30 when left out.
    #[schemars(range(min = 1, max = 600))]
    pub timeout_seconds: Option<u32>,
}

/// What a service calls things when tokens are refreshed.
#[derive(Clone, Copy, Debug)]
pub struct Dialect {
    /// Where tokens are refreshed.
    pub token_url: &'static str,
    /// The name of the app's id.
    pub client_id: &'static str,
}

/// What is remembered of an account.
#[derive(Clone, Default, Serialize, Deserialize)]
struct Kept {
    access_token: String,
    /// Seconds since the epoch.
    expires_at: u64,
    refresh_token: String,
}

/// One account.
pub struct Account {
    auth: Auth,
    dialect: Dialect,
    state: PathBuf,
    /// The token in use.
    token: Option<String>,
    /// Every token that was seen: none of them may stand in a message.
    secrets: Vec<String>,
}

impl Account {
    /// Checks what was given; nothing is sent.
    pub fn new(auth: &Auth, dialect: Dialect, state: &Path) -> Result<Self, StageError> {
        let given = |value: &Option<String>| value.as_deref().is_some_and(|text| !text.trim().is_empty());
        let can_refresh = given(&auth.refresh_token) && given(&auth.client_id);
        if !given(&auth.access_token) && !can_refresh {
            return Err(StageError::invalid_config(
                "`auth` has no token: give `access_token`, or `refresh_token` with `client_id` and `client_secret`, \
                 each from `secrets`",
            )
            .code("no_token"));
        }
        let secrets = [&auth.access_token, &auth.refresh_token, &auth.client_secret];
        Ok(Self {
            auth: auth.clone(),
            dialect,
            state: state.to_owned(),
            token: None,
            secrets: secrets.into_iter().flatten().cloned().collect(),
        })
    }

    /// What may never be seen.
    pub fn secrets(&self) -> &[String] {
        &self.secrets
    }

    /// Whether a refused token can be replaced.
    pub fn can_refresh(&self) -> bool {
        self.auth.refresh_token.as_deref().is_some_and(|token| !token.trim().is_empty())
    }

    /// The token to use.
    pub fn token(&mut self, cx: &Cx<'_>) -> Result<String, StageError> {
        if let Some(token) = &self.token {
            return Ok(token.clone());
        }
        let token = match &self.auth.access_token {
            Some(token) if !self.can_refresh() => token.trim().to_owned(),
            _ => self.current(None, cx)?,
        };
        self.remember(token.clone());
        Ok(token)
    }

    /// Another token than the one that was refused. Somebody else may have got it already.
    pub fn renew(&mut self, cx: &Cx<'_>) -> Result<(), StageError> {
        let refused = self.token.take();
        let token = self.current(refused.as_deref(), cx)?;
        self.remember(token);
        Ok(())
    }

    fn remember(&mut self, token: String) {
        if !self.secrets.contains(&token) {
            self.secrets.push(token.clone());
        }
        self.token = Some(token);
    }

    /// The kept token, or a new one; under the account's lock, so that it is refreshed once.
    fn current(&mut self, refused: Option<&str>, cx: &Cx<'_>) -> Result<String, StageError> {
        let given = self.auth.refresh_token.clone().unwrap_or_default().trim().to_owned();
        // Whoever signs in anew gives another refresh token, and what is kept of the old one is of no use.
        let key =
            format!("{} {} {given}", self.token_url(), self.auth.client_id.as_deref().unwrap_or_default());
        let mut ledger = Ledger::<Kept>::wait(&self.state, "account", &key, cx)?;
        let kept = ledger.get().clone();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        self.secrets.extend([kept.access_token.clone(), kept.refresh_token.clone()]);
        self.secrets.retain(|secret| !secret.is_empty());
        let is_good = !kept.access_token.is_empty() && kept.expires_at > now + SPARE_SECONDS;
        if is_good && refused != Some(kept.access_token.as_str()) {
            return Ok(kept.access_token);
        }
        // A given token saves the first refresh.
        if let Some(token) = self.auth.access_token.as_deref().map(str::trim)
            && !token.is_empty()
            && kept.access_token.is_empty()
            && refused.is_none()
        {
            return Ok(token.to_owned());
        }
        let refresh = if kept.refresh_token.is_empty() { given } else { kept.refresh_token };
        let fresh = self.refresh(&refresh, now, cx)?;
        let token = fresh.access_token.clone();
        ledger.set(fresh)?;
        cx.info("the access token was refreshed");
        Ok(token)
    }

    fn token_url(&self) -> String {
        self.auth.token_url.clone().unwrap_or_else(|| self.dialect.token_url.to_owned())
    }

    fn refresh(&mut self, refresh_token: &str, now: u64, cx: &Cx<'_>) -> Result<Kept, StageError> {
        let settings = Settings {
            address: "auth.token_url",
            key: "auth",
            timeout: "auth.timeout_seconds",
            ..Settings::default()
        };
        let seconds = self.auth.timeout_seconds.unwrap_or(TIMEOUT_SECONDS);
        let mut builder = Service::new("the token endpoint", self.token_url())
            .settings(settings)
            .timeout(Duration::from_secs(seconds.into()));
        for secret in &self.secrets {
            builder = builder.secret(secret);
        }
        let service = builder.open()?;
        let client_id = self.auth.client_id.as_deref().unwrap_or_default().trim();
        let mut fields = vec![
            ("grant_type", "refresh_token"),
            ("refresh_token", refresh_token),
            (self.dialect.client_id, client_id),
        ];
        if let Some(secret) = self.auth.client_secret.as_deref() {
            fields.push(("client_secret", secret.trim()));
        }
        let answer = service.post("").fields(&fields).exchange(cx)?;
        let kept = read_tokens(&answer, refresh_token, now)?;
        self.secrets.extend([kept.access_token.clone(), kept.refresh_token.clone()]);
        Ok(kept)
    }
}

#[derive(Deserialize)]
struct Tokens {
    access_token: Option<String>,
    expires_in: Option<u64>,
    refresh_token: Option<String>,
    error: Option<Value>,
}

/// What a token endpoint answers (RFC 6749, 5.1 and 5.2); some say so of failures with status 200.
fn read_tokens(answer: &Answer, old: &str, now: u64) -> Result<Kept, StageError> {
    let is_answer = matches!(answer.status(), 200 | 400 | 401);
    if !is_answer {
        return Err(answer.refused());
    }
    let tokens: Tokens = match answer.json() {
        Ok(tokens) => tokens,
        Err(_) if answer.status() != 200 => return Err(answer.refused()),
        Err(error) => return Err(error),
    };
    match (tokens.error.as_ref().and_then(Value::as_str), tokens.access_token) {
        (Some("invalid_grant"), _) => Err(StageError::invalid_config(format!(
            "the refresh token is not taken any more (withdrawn, expired, or already replaced): sign in again and put \
             the new one into the secret behind `auth.refresh_token`: {}",
            answer.quote()
        ))
        .code("invalid_grant")),
        (Some("invalid_client" | "unauthorized_client"), _) => Err(StageError::invalid_config(format!(
            "the token endpoint does not know the app; check `auth.client_id` and `auth.client_secret`: {}",
            answer.quote()
        ))
        .code("invalid_client")),
        (None, Some(access_token)) if answer.status() == 200 && !access_token.is_empty() => Ok(Kept {
            access_token,
            expires_at: now + tokens.expires_in.unwrap_or(LIFE_SECONDS),
            refresh_token: tokens.refresh_token.filter(|token| !token.is_empty()).unwrap_or_else(|| old.to_owned()),
        }),
        _ if answer.status() != 200 => Err(answer.refused()),
        _ => Err(answer.malformed("it holds no access token")),
    }
}
