//! One certificate from an authority: account, order, the question and its answer, key, chain.

use std::{io, time::Duration};

use instant_acme::{
    Account, AccountCredentials, AuthorizationStatus, CertificateIdentifier, ChallengeHandle, ChallengeType, Error, Identifier, NewAccount,
    NewOrder, Order, OrderStatus, RetryPolicy,
};
use overspill_edge::{Challenge, Handle, Identity};
use rcgen::{CertificateParams, CustomExtension, DistinguishedName, KeyPair};
use zeroize::Zeroizing;

use super::{client::Client, store::Store};
use crate::config::value::Proof;

/// Why there is no certificate. What was kept and shown before still is.
#[derive(Debug, thiserror::Error)]
pub enum Unissued {
    /// The authority said no, or could not be asked.
    #[error("{0}")]
    Authority(#[from] Error),
    /// The authority looked and did not find what it asked for.
    #[error("the authority could not see that the name is served here: {0}")]
    Unproven(String),
    /// The authority does not offer the kind of proof that is set.
    #[error("the authority does not prove this name by {0}")]
    NoChallenge(String),
    /// Account or certificate could not be kept.
    #[error("what the authority gave cannot be kept: {0}")]
    Unkept(#[from] io::Error),
    /// Key or request could not be made.
    #[error("no key could be made: {0}")]
    Key(#[from] rcgen::Error),
    /// The authority's certificate is not what was asked for.
    #[error("what the authority gave is no certificate for this name")]
    Strange,
    /// It took too long.
    #[error("it took more than {} s", .0.as_secs())]
    Late(Duration),
}

impl Unissued {
    /// The authority does not know the account, or has closed it.
    pub fn is_of_the_account(&self) -> bool {
        let gone = "urn:ietf:params:acme:error:accountDoesNotExist";
        matches!(self, Self::Authority(Error::Api(problem)) if problem.r#type.as_deref() == Some(gone))
    }
}

/// The account at an authority, made if there is none. It is kept before anything is done with it.
pub async fn account(store: &Store, client: Client, directory: &str, contact: Option<&str>) -> Result<Account, Unissued> {
    let builder = Account::builder_with_http(Box::new(client));
    if let Some(known) = store.account()? {
        match serde_json::from_slice::<AccountCredentials>(&known) {
            Ok(credentials) => return Ok(builder.from_credentials(credentials).await?),
            Err(error) => tracing::warn!(%error, "the kept account is damaged: a new one is made"),
        }
    }
    let contact = contact.map(|address| format!("mailto:{address}"));
    let contact: Vec<&str> = contact.iter().map(String::as_str).collect();
    let wanted = NewAccount { contact: &contact, terms_of_service_agreed: true, only_return_existing: false };
    let (account, credentials) = builder.create(&wanted, directory.to_owned(), None).await?;
    let json = Zeroizing::new(serde_json::to_vec(&credentials).map_err(Error::Json)?);
    store.keep_account(&json)?;
    tracing::info!(directory, account = account.id(), "an account was made with the authority for certificates");
    Ok(account)
}

/// What the edge answers while an authority asks; nothing as soon as this is dropped.
struct Asked<'a>(&'a Handle);

impl Drop for Asked<'_> {
    fn drop(&mut self) {
        self.0.set_challenges(Vec::new());
    }
}

/// Has a certificate issued for `name`, and keeps it.
pub async fn certificate(
    (account, store): (&Account, &Store),
    edge: &Handle,
    name: &str,
    proof: Proof,
    replaces: Option<CertificateIdentifier<'_>>,
) -> Result<Identity, Unissued> {
    let identifiers = [Identifier::Dns(name.to_owned())];
    let wanted = NewOrder::new(&identifiers);
    let mut order = match replaces {
        // An authority that knows nothing of the old one is asked again, for a new one.
        Some(old) => match account.new_order(&NewOrder::new(&identifiers).replaces(old)).await {
            Ok(order) => order,
            Err(_) => account.new_order(&wanted).await?,
        },
        None => account.new_order(&wanted).await?,
    };
    prove(&mut order, edge, name, proof).await?;
    let mut params = CertificateParams::new([name.to_owned()])?;
    params.distinguished_name = DistinguishedName::new();
    let key = KeyPair::generate()?;
    order.finalize_csr(params.serialize_request(&key)?.der()).await?;
    let chain = order.poll_certificate(&POLLING).await?;
    let key = Zeroizing::new(key.serialize_pem());
    let identity = Identity::read(chain.as_bytes(), key.as_bytes()).map_err(|_| Unissued::Strange)?;
    if !identity.is_for(name) || identity.begins().is_none() {
        return Err(Unissued::Strange);
    }
    store.keep_certificate(name, &key, &chain)?;
    Ok(identity)
}

/// How the authority is asked whether it is ready: a few times, then less often. The whole is bounded elsewhere.
const POLLING: RetryPolicy = RetryPolicy::new().initial_delay(Duration::from_millis(250)).timeout(Duration::from_mins(4));

/// Shows the authority that `name` is served here.
async fn prove(order: &mut Order, edge: &Handle, name: &str, proof: Proof) -> Result<(), Unissued> {
    let _asked = Asked(edge);
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        let mut authorization = authorization?;
        if authorization.status == AuthorizationStatus::Valid {
            continue;
        }
        let kind = match proof {
            Proof::Http => ChallengeType::Http01,
            Proof::TlsAlpn => ChallengeType::TlsAlpn01,
        };
        let mut challenge = authorization.challenge(kind.clone()).ok_or_else(|| Unissued::NoChallenge(format!("{kind:?}")))?;
        edge.set_challenges(vec![answer(&challenge, name, proof)?]);
        challenge.set_ready().await?;
    }
    match order.poll_ready(&POLLING).await? {
        OrderStatus::Ready | OrderStatus::Valid => Ok(()),
        _ => Err(Unissued::Unproven(reason(order).await)),
    }
}

fn answer(challenge: &ChallengeHandle<'_>, name: &str, proof: Proof) -> Result<Challenge, Unissued> {
    let expected = challenge.key_authorization();
    match proof {
        Proof::Http => Ok(Challenge::text(name, &challenge.token, expected.as_str())),
        Proof::TlsAlpn => {
            let mut params = CertificateParams::new([name.to_owned()])?;
            params.custom_extensions = vec![CustomExtension::new_acme_identifier(expected.digest().as_ref())];
            let key = KeyPair::generate()?;
            let certificate = params.self_signed(&key)?;
            let shown = Challenge::handshake(name, certificate.pem().as_bytes(), key.serialize_pem().as_bytes());
            shown.map_err(|_| Unissued::Strange)
        }
    }
}

/// What the authority says of a proof that it did not accept.
async fn reason(order: &mut Order) -> String {
    let mut authorizations = order.authorizations();
    while let Some(Ok(mut authorization)) = authorizations.next().await {
        if let Ok(state) = authorization.refresh().await
            && let Some(problem) = state.challenges.iter().find_map(|challenge| challenge.error.as_ref())
        {
            return problem.to_string();
        }
    }
    "it does not say why".to_owned()
}
