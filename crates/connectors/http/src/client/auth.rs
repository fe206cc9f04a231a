//! Who this client is: basic, bearer, or a token of OAuth 2.0 for client credentials (RFC 6749, section 4.4).

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use hyper::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use riverrun_base::Secret;

use super::{Client, Failure};
use crate::url::{Url, encode_component};

/// A token is renewed so long before it ends.
const EARLIER: Duration = Duration::from_secs(10);
/// How long a token is used that does not say when it ends.
const UNTOLD: Duration = Duration::from_secs(300);

/// How requests are authorized.
#[derive(Clone, Debug, Default)]
pub(crate) enum Auth {
    /// Not, or by a header of the user's.
    #[default]
    None,
    /// The same header always.
    Header(Secret),
    /// By tokens.
    ClientCredentials {
        /// Where they are given.
        url: Url,
        /// The client.
        id: String,
        /// Its secret.
        secret: Secret,
        /// What is asked for.
        scope: Option<String>,
    },
}

/// The value of a basic authorization.
pub(crate) fn basic(user: &str, password: &str) -> Secret {
    Secret::new(format!("Basic {}", STANDARD.encode(format!("{user}:{password}"))))
}

/// The token that is used now.
#[derive(Default)]
pub(super) struct Token {
    known: Mutex<Option<(HeaderValue, Instant)>>,
    /// Held by who asks for one: the others wait for it.
    asking: tokio::sync::Mutex<()>,
}

impl Token {
    /// The value of `Authorization`.
    pub(super) async fn header(&self, client: &Client) -> Result<Option<HeaderValue>, Failure> {
        match &client.settings.auth {
            Auth::None => Ok(None),
            Auth::Header(value) => sensitive(value.expose()).map(Some),
            Auth::ClientCredentials { url, id, secret, scope } => {
                if let Some(known) = self.known() {
                    return Ok(Some(known));
                }
                let _asking = self.asking.lock().await;
                if let Some(known) = self.known() {
                    return Ok(Some(known));
                }
                let (token, until) = ask(client, url, id, secret, scope.as_deref()).await?;
                *self.known.lock().unwrap_or_else(PoisonError::into_inner) = Some((token.clone(), until));
                Ok(Some(token))
            }
        }
    }

    fn known(&self) -> Option<HeaderValue> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.as_ref().filter(|(_, until)| Instant::now() < *until).map(|(token, _)| token.clone())
    }

    /// A destination does not take it.
    pub(super) fn forget(&self) {
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

fn sensitive(text: &str) -> Result<HeaderValue, Failure> {
    let mut value = HeaderValue::try_from(text)
        .map_err(|_| Failure::Refused("the authorization has characters that no header can have".to_owned()))?;
    value.set_sensitive(true);
    Ok(value)
}

async fn ask(
    client: &Client,
    url: &Url,
    id: &str,
    secret: &Secret,
    scope: Option<&str>,
) -> Result<(HeaderValue, Instant), Failure> {
    let mut form = String::from("grant_type=client_credentials");
    if let Some(scope) = scope {
        form.push_str("&scope=");
        encode_component(scope, &mut form);
    }
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
    headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
    let (mut user, mut password) = (String::new(), String::new());
    encode_component(id, &mut user);
    encode_component(secret.expose(), &mut password);
    headers.insert(AUTHORIZATION, sensitive(basic(&user, &password).expose())?);
    // Boxed, as sending a request may ask for a token.
    let (code, _, answer) = Box::pin(client.send(hyper::Method::POST, url, headers, Bytes::from(form))).await?;
    // The answer is not told: it may hold a token.
    let refused = |what: &str| Failure::Nothing(format!("{} gives no token: {what}", url.origin));
    if code != 200 {
        return Err(refused(&format!("the answer was {code}")));
    }
    let answer: serde_json::Value = serde_json::from_slice(&answer).map_err(|_| refused("its answer is no JSON"))?;
    let token = answer
        .get("access_token")
        .and_then(serde_json::Value::as_str)
        .ok_or_else(|| refused("its answer has no access_token"))?;
    let life = answer.get("expires_in").and_then(serde_json::Value::as_u64).map_or(UNTOLD, Duration::from_secs);
    let life = life.saturating_sub(EARLIER).max(Duration::from_secs(1)).min(Duration::from_secs(86_400));
    Ok((sensitive(&format!("Bearer {token}"))?, Instant::now() + life))
}
