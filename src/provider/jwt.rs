//! The checks of every JWT of a provider: its issuer, its audience, its times and its signature.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use crate::clock::Timestamp;
use crate::crypto::{Algorithm, VerifyingKey};
use crate::error::{Error, ErrorKind, Result};
use crate::jose::CompactJws;
use crate::json::{self, Text};
use crate::provider::keys::{Keys, Sender, Verdict};
use crate::provider::metadata::Endpoint;
use crate::provider::{IssuerAlias, RegisteredAlgorithm};
use crate::secret::Secret;

/// The purpose of a JWT. Errors name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    IdToken,
    UserInfo,
    AuthorizationResponse,
    LogoutToken,
}

/// From whom a JWT has to come, for whom, and when.
#[derive(Clone, Copy)]
pub(crate) struct Parties<'a> {
    pub(crate) purpose: Purpose,
    /// The algorithm that the application is registered for, as the program says. It counts more than the metadata.
    pub(crate) registered: Option<RegisteredAlgorithm>,
    pub(crate) issuer: &'a str,
    pub(crate) issuer_alias: Option<&'a IssuerAlias>,
    pub(crate) jwks_uri: &'a Endpoint,
    /// The algorithms that the provider signs with, if it names them.
    pub(crate) algorithms: Option<&'a [String]>,
    pub(crate) client_id: &'a str,
    /// For HS256 and its like, when a confidential application asked for it.
    pub(crate) client_secret: Option<&'a Secret>,
    /// Only what the FAPI 2.0 Security Profile signs by.
    pub(crate) fapi2: bool,
    pub(crate) tolerances: Tolerances,
    pub(crate) now: Timestamp,
    pub(crate) leeway: Duration,
}

/// Checks that a program has turned off for a provider that cannot pass them.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Tolerances {
    /// An ID token without a nonce.
    pub(crate) missing_nonce: bool,
    /// Several audiences without `azp`.
    pub(crate) missing_azp: bool,
    /// A logout token without `exp`.
    pub(crate) endless_logout_token: bool,
}

/// The claims that say from whom, for whom and when; times are seconds since 1970.
#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    iss: Text<'a>,
    #[serde(borrow)]
    aud: Audience<'a>,
    #[serde(borrow, default)]
    azp: Option<Text<'a>>,
    #[serde(default)]
    exp: Option<NumericDate>,
    #[serde(default)]
    iat: Option<NumericDate>,
    #[serde(default)]
    nbf: Option<NumericDate>,
}

impl Purpose {
    pub(crate) fn refused(self, why: &str) -> Error {
        match self {
            Self::IdToken => Error::new(ErrorKind::IdToken, format!("the ID token is refused: {why}")),
            Self::LogoutToken => Error::new(ErrorKind::IdToken, format!("the logout token is refused: {why}")),
            Self::UserInfo => Error::invalid_response(format!("the provider's user info is refused: {why}")),
            Self::AuthorizationResponse => Error::new(
                ErrorKind::Callback,
                format!("the callback is not the answer to this login: its response is refused: {why}"),
            ),
        }
    }

    /// Logout tokens and signed responses come from outside; the others answer a request of this application.
    fn sender(self) -> Sender {
        match self {
            Self::IdToken | Self::UserInfo => Sender::Provider,
            Self::LogoutToken | Self::AuthorizationResponse => Sender::Anyone,
        }
    }

    /// The types that it may state. "JWT" says nothing.
    fn types(self) -> &'static [&'static str] {
        match self {
            Self::LogoutToken => &["logout+jwt", "JWT"],
            Self::IdToken | Self::UserInfo | Self::AuthorizationResponse => &["JWT"],
        }
    }
}

impl<'a> Parties<'a> {
    /// A JWT in its parts, of which only the form and the algorithm are as they should be.
    pub(crate) fn parse<'t>(&self, text: &'t str) -> Result<CompactJws<'t>> {
        let jws = CompactJws::parse(text, self.purpose.types()).map_err(|error| {
            self.purpose.refused("it is not well-formed; start anew, and check the issuer if it stays so").with_source(error)
        })?;
        // RFC 7518, section 3.2: "A key of the same size as the hash output […] or larger MUST be used": a shorter one can be tried out
        // by whoever has seen a token.
        let has_secret = self.client_secret.is_some_and(|secret| secret.expose().len() >= jws.algorithm.digest_length());
        let allowed = match self.registered {
            Some(RegisteredAlgorithm::Unknown) => {
                return Err(Error::configuration(
                    "an algorithm that this application was said to be registered for is unknown; give one such as RS256 or ES256",
                ));
            }
            Some(RegisteredAlgorithm::Known(registered)) if registered != jws.algorithm => {
                return Err(self.purpose.refused(&format!(
                    "it is signed by {}, and this application is registered for {}; correct one of them",
                    jws.algorithm.name(),
                    registered.name()
                )));
            }
            Some(RegisteredAlgorithm::Known(registered)) => !registered.is_symmetric() || has_secret,
            None if jws.algorithm.is_symmetric() => has_secret,
            None => self.algorithms.is_none_or(|names| names.iter().any(|name| Algorithm::from_name(name) == Some(jws.algorithm))),
        };
        if allowed && (!self.fapi2 || jws.algorithm.suits_fapi2()) {
            Ok(jws)
        } else if jws.algorithm.is_symmetric() {
            Err(self.purpose.refused(&format!(
                "it is signed with an algorithm that this provider or application does not use, {}; let it be signed by RS256 or ES256, or set accept_hs256() and a client secret of at least {} bytes",
                jws.algorithm.name(),
                jws.algorithm.digest_length()
            )))
        } else {
            Err(self.purpose.refused(
                "it is signed with an algorithm that this provider or application does not use; let it be signed by RS256 or ES256",
            ))
        }
    }

    /// Reads the claims of a JWT into `T`. Each claim is unique. `expected` describes them for an error.
    pub(crate) fn claims<'t, T: Deserialize<'t>>(&self, payload: &'t [u8], expected: &str) -> Result<T> {
        let unreadable =
            || format!("its claims are not a JSON object with {expected}, each once; correct what adds claims at the provider");
        json::refuse_duplicates(payload)
            .and_then(|()| json::object(payload))
            .map_err(|error| self.purpose.refused(&unreadable()).with_source(error))
    }

    /// All checks of a JWT that has no more than these to say of itself: its payload is good then.
    pub(crate) async fn verify<'t>(&self, text: &'t str, times: &[&str], keys: &Keys) -> Result<CompactJws<'t>> {
        let jws = self.parse(text)?;
        let claims: Envelope<'_> = self.claims(&jws.payload, "iss and aud")?;
        self.check_issuer(&claims.iss, &jws.payload)?;
        self.check_audience(&claims.aud, claims.azp.as_ref())?;
        for (name, time) in [("exp", claims.exp), ("iat", claims.iat)] {
            if time.is_none() && times.contains(&name) {
                return Err(self.purpose.refused(&format!("{name} is missing; correct that at the provider")));
            }
        }
        self.check_times(claims.exp, claims.iat, claims.nbf)?;
        drop(claims);
        self.verify_signature(&jws, keys).await?;
        Ok(jws)
    }

    pub(crate) fn check_issuer(&self, iss: &str, payload: &[u8]) -> Result<()> {
        if iss == self.issuer || self.issuer_alias.is_some_and(|alias| alias.is_issuer_of(payload, iss)) {
            return Ok(());
        }
        Err(self.purpose.refused("iss is not the issuer that the provider's metadata names; check the domain or issuer"))
    }

    pub(crate) fn check_audience(&self, aud: &Audience<'_>, azp: Option<&Text<'_>>) -> Result<()> {
        let refused = |why| Err(self.purpose.refused(why));
        if !aud.holds(self.client_id) {
            return refused("aud does not hold this application's client id; check the client id");
        }
        match azp {
            Some(azp) if &**azp != self.client_id => refused("azp is another application's client id; check the client id"),
            // OpenID Connect Core 1.0, section 5.3.2: there, "The aud value MUST be or include the RP's Client ID value."
            None if aud.several() && self.purpose != Purpose::UserInfo && !self.tolerances.missing_azp => refused(
                "aud holds several audiences, but azp does not say for whom it is; correct what adds audiences at the provider, or use danger_accept_missing_azp()",
            ),
            _ => Ok(()),
        }
    }

    pub(crate) fn check_times(&self, exp: Option<NumericDate>, iat: Option<NumericDate>, nbf: Option<NumericDate>) -> Result<()> {
        let (earliest, latest) = (self.now.minus(self.leeway), self.now.plus(self.leeway));
        let future = |time: &NumericDate| time.timestamp() > latest;
        if let Some(exp) = exp.filter(|exp| exp.timestamp() <= earliest) {
            return Err(self.untimely("it expired at", exp));
        }
        if let Some(iat) = iat.filter(future) {
            return Err(self.untimely("it was issued in the future, at", iat));
        }
        nbf.filter(future).map_or(Ok(()), |nbf| Err(self.untimely("it is not valid before", nbf)))
    }

    /// A time, beside this machine's: when the clock is wrong, it is seen here.
    pub(crate) fn untimely(&self, what: &str, at: NumericDate) -> Error {
        let (at, now) = (at.timestamp().to_offset_date_time(), self.now.to_offset_date_time());
        self.purpose.refused(&format!(
            "{what} {at}, while this machine's clock says {now} and {} seconds of leeway are allowed; check the clock",
            self.leeway.as_secs()
        ))
    }

    pub(crate) async fn verify_signature(&self, jws: &CompactJws<'_>, keys: &Keys) -> Result<()> {
        let refused = |why| Err(self.purpose.refused(why));
        let verdict = match (jws.algorithm, self.client_secret) {
            (algorithm, Some(secret)) if algorithm.is_symmetric() => {
                let key = VerifyingKey::shared_secret(algorithm, secret.expose().as_bytes());
                if key.verify(jws.algorithm, jws.signing_input, &jws.signature) { Verdict::Verified } else { Verdict::Forged }
            }
            _ => keys.verify(self.jwks_uri.url()?, jws, self.purpose.sender()).await?,
        };
        match verdict {
            Verdict::Verified => Ok(()),
            Verdict::Forged => refused("its signature is wrong; start anew, and check the issuer if it stays so"),
            Verdict::UnknownKey => {
                refused("it is signed by a key that the provider does not publish; start anew, and check the issuer if it stays so")
            }
            Verdict::UnusableKey(why) => Err(self.purpose.refused(&format!(
                "it is signed by a key that the provider publishes, but in a way that cannot be used: {why}; correct its keys there"
            ))),
        }
    }
}

/// `aud`: "the general case, […] an array of case-sensitive strings", or a single one (RFC 7519, section 4.1.3).
pub(crate) enum Audience<'a> {
    One(Text<'a>),
    Many(Vec<Text<'a>>),
}

impl<'de: 'a, 'a> Deserialize<'de> for Audience<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AudienceVisitor)
    }
}

struct AudienceVisitor;

impl<'de> Visitor<'de> for AudienceVisitor {
    type Value = Audience<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string or an array of strings")
    }

    fn visit_borrowed_str<E>(self, audience: &'de str) -> Result<Audience<'de>, E> {
        Ok(Audience::One(Text(Cow::Borrowed(audience))))
    }

    fn visit_str<E>(self, audience: &str) -> Result<Audience<'de>, E> {
        Ok(Audience::One(Text(Cow::Owned(audience.to_owned()))))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut audiences: A) -> Result<Audience<'de>, A::Error> {
        let mut all = Vec::new();
        while let Some(audience) = audiences.next_element()? {
            all.push(audience);
        }
        Ok(Audience::Many(all))
    }
}

impl Audience<'_> {
    fn holds(&self, client_id: &str) -> bool {
        match self {
            Self::One(audience) => &**audience == client_id,
            Self::Many(audiences) => audiences.iter().any(|audience| &**audience == client_id),
        }
    }

    fn several(&self) -> bool {
        matches!(self, Self::Many(audiences) if audiences.len() > 1)
    }
}

/// Seconds since 1970, whole or not (RFC 7519, section 2), saturated to what a clock can show.
#[derive(Debug, Clone, Copy)]
pub(crate) struct NumericDate(i64);

impl NumericDate {
    pub(crate) fn timestamp(self) -> Timestamp {
        Timestamp::from_unix_seconds(self.0)
    }
}

impl<'de> Deserialize<'de> for NumericDate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[expect(clippy::cast_possible_truncation, reason = "`as` saturates, which is what is wanted")]
        f64::deserialize(deserializer).map(|seconds| Self(seconds as i64))
    }
}
