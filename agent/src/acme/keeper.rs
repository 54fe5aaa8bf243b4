//! Keeps every name's certificate: loads what is kept, asks for what is lacking, renews what grows old, one at a time.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use instant_acme::{Account, CertificateIdentifier, Error};
use overspill_edge::{Handle, Identity};
use overspill_governance::time::Date;
use rustls::pki_types::CertificateDer;
use tokio::sync::Notify;

use super::{
    client::Client,
    limits::{LOOK, ORDER_TIME, RENEWAL_LOOK, RENEWAL_LOOK_MAX, RENEWAL_LOOK_MIN},
    names,
    order::{self, Unissued},
    schedule::Standing,
    store::Store,
};
use crate::{
    config::{Loaded, table::Settings},
    entropy,
};

/// The certificates from the authority.
#[derive(Debug)]
pub struct Keeper {
    /// Where they are kept; nothing while the state directory cannot be used, and then none are asked for.
    folder: Option<PathBuf>,
    held: Mutex<Held>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct Held {
    /// Whose certificates these are.
    directory: String,
    files: Vec<Identity>,
    guests: Vec<String>,
    names: BTreeMap<String, Name>,
}

#[derive(Debug, Default)]
struct Name {
    identity: Option<Identity>,
    standing: Standing,
    /// When the authority is next asked for its window.
    look: Date,
}

impl Keeper {
    /// Holds nothing yet.
    pub fn new(folder: Option<PathBuf>) -> Self {
        Self { folder, held: Mutex::default(), changed: Notify::new() }
    }

    /// Takes settings and the certificates of their files. Returns all that are to be shown: those of files, then those that are kept.
    pub fn take(&self, loaded: &Loaded, files: Vec<Identity>) -> Vec<Identity> {
        let mut held = self.held();
        let directory = loaded.settings.acme_directory.as_ref().map_or_else(String::new, |directory| directory.url.clone());
        if held.directory != directory {
            held.names.clear();
            held.directory = directory;
        }
        held.files = files;
        self.reconcile(&mut held, loaded);
        self.changed.notify_one();
        held.identities()
    }

    /// Takes the names under which guests are served here.
    pub fn take_guests(&self, loaded: &Loaded, guests: Vec<String>) {
        let mut held = self.held();
        if held.guests != guests {
            held.guests = guests;
            self.reconcile(&mut held, loaded);
            self.changed.notify_one();
        }
    }

    /// Forgets names that want no certificate any more, and loads what is kept for new ones.
    fn reconcile(&self, held: &mut Held, loaded: &Loaded) {
        let Some(store) = self.store(&held.directory) else {
            held.names.clear();
            return;
        };
        let wanted = names::wanted(loaded, &held.guests, &held.files);
        held.names.retain(|name, _| wanted.contains(name));
        for name in wanted {
            held.names.entry(name).or_insert_with_key(|name| Name::of(store.certificate(name)));
        }
    }

    fn store(&self, directory: &str) -> Option<Store> {
        self.folder.as_ref().filter(|_| !directory.is_empty()).map(|folder| Store::new(folder, directory))
    }

    /// Asks for what is due, for ever. `today` is the agent's clock.
    pub async fn run(&self, edge: &Handle, settings: impl Fn() -> Settings, today: impl Fn() -> Date) {
        let mut desk = Desk::default();
        loop {
            let settings = settings();
            while let Some(name) = self.due(today()) {
                self.attend(&mut desk, (edge, &settings), &name, &today).await;
            }
            tokio::select! {
                () = tokio::time::sleep(self.pause(today())) => {}
                () = self.changed.notified() => {}
            }
        }
    }

    /// The name that has waited longest for something.
    fn due(&self, now: Date) -> Option<String> {
        let held = self.held();
        let due = held.names.iter().map(|(name, kept)| (kept.next(), name)).min()?;
        (due.0 <= now).then(|| due.1.clone())
    }

    fn pause(&self, now: Date) -> Duration {
        let next = self.held().names.values().map(Name::next).min();
        next.map_or(LOOK, |next| next.since(now).min(LOOK)).max(Duration::from_millis(100))
    }

    /// Does what is due for one name: asks when to renew, or asks for a certificate.
    async fn attend(&self, desk: &mut Desk, (edge, settings): (&Handle, &Settings), name: &str, today: &impl Fn() -> Date) {
        let (directory, identity, window, renew) = {
            let held = self.held();
            let Some(kept) = held.names.get(name) else { return };
            (held.directory.clone(), kept.identity.clone(), kept.standing.window, kept.standing.due() <= today())
        };
        let Some(store) = self.store(&directory) else { return };
        let account = match desk.account(&store, &directory, settings).await {
            Ok(account) => account,
            Err(error) => return self.failed(name, &error, today()),
        };
        match identity {
            Some(identity) if !renew => {
                let (window, pause) = renewal_window(&account, &identity).await;
                self.change(name, |kept| {
                    kept.standing.window = window.or(kept.standing.window);
                    kept.look = today().after(pause);
                });
            }
            identity => {
                // Only an authority that says when to renew knows what replacing is.
                let old = identity.as_ref().filter(|_| window.is_some()).and_then(identifier);
                let wanted = order::certificate((&account, &store), edge, name, settings.acme_challenge, old);
                let issued = tokio::time::timeout(ORDER_TIME, wanted).await.unwrap_or(Err(Unissued::Late(ORDER_TIME)));
                match issued {
                    Ok(identity) => {
                        let days = identity.ends().map_or(0, |end| end.since(today()).as_secs() / 86_400);
                        tracing::info!(name, days, "a certificate is in use");
                        self.change(name, |kept| {
                            *kept = Name::of(Some(identity));
                            kept.standing.came = Some(today());
                        });
                        edge.certify(&self.held().identities());
                    }
                    Err(error) => {
                        if error.is_of_the_account() {
                            desk.forget(&store);
                        }
                        self.failed(name, &error, today());
                    }
                }
            }
        }
    }

    fn failed(&self, name: &str, error: &Unissued, now: Date) {
        self.change(name, |kept| {
            let failures = kept.standing.failed.map_or(0, |(count, _)| count).saturating_add(1);
            kept.standing.failed = Some((failures, now));
            kept.look = kept.look.max(kept.standing.due().min(now.after(RENEWAL_LOOK)));
            let (again, served) = (kept.standing.due().since(now).as_secs(), kept.identity.is_some());
            tracing::warn!(name, %error, failures, again_in_s = again, served, "no certificate from the authority");
        });
    }

    fn change(&self, name: &str, change: impl FnOnce(&mut Name)) {
        if let Some(kept) = self.held().names.get_mut(name) {
            change(kept);
        }
    }

    /// A thread that died while it held the lock left whole values behind.
    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    /// What is shown: the first of all is for whoever asks for another name.
    fn identities(&self) -> Vec<Identity> {
        self.files.iter().cloned().chain(self.names.values().filter_map(|name| name.identity.clone())).collect()
    }
}

impl Name {
    fn of(identity: Option<Identity>) -> Self {
        let valid = identity.as_ref().and_then(|identity| Some((identity.begins()?, identity.ends()?)));
        let lot = entropy::seed().map_or(0, |seed| u16::from_le_bytes([seed[0], seed[1]]));
        Self { identity, standing: Standing { valid, lot, ..Standing::default() }, look: Date::from_millis(0) }
    }

    /// When something is to be done about it.
    fn next(&self) -> Date {
        let due = self.standing.due();
        if self.identity.is_some() { due.min(self.look) } else { due }
    }
}

/// What is open with the authority.
#[derive(Default)]
struct Desk {
    account: Option<(Settings, Account)>,
}

impl Desk {
    /// The account under the present settings.
    async fn account(&mut self, store: &Store, directory: &str, settings: &Settings) -> Result<Account, Unissued> {
        let same = |known: &Settings| known.acme_directory == settings.acme_directory && known.acme_root == settings.acme_root;
        if let Some((_, account)) = self.account.as_ref().filter(|(known, _)| same(known)) {
            return Ok(account.clone());
        }
        let client = Client::new(settings.acme_root.as_deref())?;
        let contact = settings.acme_contact.as_ref().map(|contact| contact.0.as_str());
        let account = order::account(store, client, directory, contact).await?;
        self.account = Some((settings.clone(), account.clone()));
        Ok(account)
    }

    /// The authority does not know the account: another is made at the next try.
    fn forget(&mut self, store: &Store) {
        self.account = None;
        if let Err(error) = store.forget_account() {
            tracing::warn!(%error, "an account that the authority does not know cannot be removed");
        }
    }
}

/// The window in which the authority would have a certificate renewed, and when to ask again. Many have none to tell.
async fn renewal_window(account: &Account, identity: &Identity) -> (Option<(Date, Date)>, Duration) {
    let Some(identifier) = identifier(identity) else { return (None, RENEWAL_LOOK_MAX) };
    match account.renewal_info(&identifier).await {
        Ok((info, pause)) => {
            let date = |seconds: i64| Date::from_millis(u64::try_from(seconds).unwrap_or(0).saturating_mul(1_000));
            let window = (date(info.suggested_window.start.unix_timestamp()), date(info.suggested_window.end.unix_timestamp()));
            (Some(window), pause.clamp(RENEWAL_LOOK_MIN, RENEWAL_LOOK_MAX))
        }
        Err(Error::Unsupported(_)) => (None, RENEWAL_LOOK_MAX),
        Err(error) => {
            tracing::debug!(%error, "the authority does not say when to renew");
            (None, RENEWAL_LOOK)
        }
    }
}

/// The certificate as the authority knows it (RFC 9773 section 4.1).
fn identifier(identity: &Identity) -> Option<CertificateIdentifier<'static>> {
    let leaf = CertificateDer::from(identity.leaf());
    CertificateIdentifier::try_from(&leaf).ok().map(CertificateIdentifier::into_owned)
}
