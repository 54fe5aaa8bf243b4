//! What the agent keeps and signs: state directory, ledger, index and mesh. Any of it may be unusable; the site is served all the same.

use std::{
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use overspill_edge::{Clock, Denial, Handle};
use overspill_protocol::{
    io::{Caps, GuestAddress},
    quota::Quota,
};
use zeroize::Zeroizing;

use crate::{
    cli::exit::{Exit, Failure},
    config::table::Settings,
    denylist::Denylist,
    driver::{Mesh, Setup},
    index::Index,
    ledger::{Ledger, OpenError},
    mesh_handle::MeshHandle,
    prove::Reach,
    samples::Ways,
    state::{State, StateError, names},
    stopped::Stops,
};

/// The list of what is denied, as commands change it.
pub(crate) type Denied = Arc<Mutex<Denylist>>;

/// The parts that could be opened.
#[derive(Debug, Default)]
pub(crate) struct Keep {
    mesh: Option<Mesh>,
    index: Option<Index>,
    ledger: Option<Ledger>,
    state: Option<State>,
    denied: Option<Denied>,
    stopped: Option<Stops>,
    trouble: Option<Failure>,
}

impl Keep {
    /// Takes the directory. One that cannot be used is left alone and told as an error.
    ///
    /// # Errors
    /// Only when another agent has it: two agents with one key would sign against each other.
    pub(crate) fn open(directory: &Path) -> Result<Self, Failure> {
        let mut keep = Self::default();
        match State::open(directory) {
            Ok(state) => keep.state = Some(state),
            Err(error @ StateError::InUse { .. }) => return Err(state_failure(&error)),
            Err(error) => keep.suffer(state_failure(&error)),
        }
        Ok(keep)
    }

    /// Opens the lists that people made, and says what is denied. One that is damaged is told; what can be read of it is in force.
    pub(crate) fn open_lists(&mut self) -> Vec<Denial> {
        let Some(state) = &self.state else { return Vec::new() };
        self.stopped = Some(Stops::open(&state.file(names::STOPPED)));
        let path = state.file(names::DENIED);
        let list = Denylist::open(&path);
        if let Some(damage) = list.damage() {
            tracing::warn!(path = %path.display(), %damage, "of what is denied, not all is in force: look at `overspill deny --list`");
        }
        let list = self.denied.insert(Arc::new(Mutex::new(list)));
        list.lock().unwrap_or_else(PoisonError::into_inner).items().to_vec()
    }

    /// Opens the ledger and its index. A ledger that cannot be used is left alone and told as an error.
    pub(crate) fn open_ledger(&mut self) {
        let Some(state) = &self.state else { return };
        let path = state.file(names::LEDGER);
        let site = state.key().site();
        let index = match Index::open(&state.file(names::INDEX), site) {
            Ok(index) => Some(index),
            Err(error) => {
                tracing::warn!(%error, "no index: lookups read the whole ledger");
                None
            }
        };
        let listener = index.as_ref().map_or_else(|| Box::new(|_: &_, _: &_, _: &_| ()) as _, Index::listener);
        match Ledger::open(&path, site, listener) {
            Ok((ledger, opened)) => {
                if opened.cut > 0 {
                    tracing::warn!(
                        bytes = opened.cut,
                        entries = opened.head.seq,
                        "a torn tail was cut off the ledger: nothing acknowledged was in it"
                    );
                }
                self.index = index.filter(|index| match index.reconcile(&ledger) {
                    Ok(()) => true,
                    Err(error) => {
                        tracing::warn!(%error, "no index: lookups read the whole ledger");
                        false
                    }
                });
                self.ledger = Some(ledger);
            }
            Err(error) => self.suffer(ledger_failure(&error, &path)),
        }
    }

    /// Starts the mesh, if there is a ledger to sign in.
    pub(crate) fn start_mesh(&mut self, settings: &Settings, clock: Clock, edge: Arc<Handle>) {
        let (Some(state), Some(ledger), Some(stopped)) = (&self.state, &self.ledger, &self.stopped) else { return };
        match Mesh::start(setup(settings, state, stopped.clone()), clock, edge, ledger.clone()) {
            Ok(mesh) => self.mesh = Some(mesh),
            Err(error) => self.suffer(Failure::of_system("the mesh has no thread", error)),
        }
    }

    fn suffer(&mut self, failure: Failure) {
        tracing::error!(reason = failure.what, advice = failure.advice, "without mesh: the site is served, nothing is signed");
        self.trouble = Some(failure);
    }

    pub(crate) fn mesh(&self) -> Option<MeshHandle> {
        self.mesh.as_ref().map(Mesh::handle)
    }

    pub(crate) fn index(&self) -> Option<&Index> {
        self.index.as_ref()
    }

    pub(crate) fn ledger(&self) -> Option<&Ledger> {
        self.ledger.as_ref()
    }

    pub(crate) fn denied(&self) -> Option<Denied> {
        self.denied.clone()
    }

    pub(crate) fn stopped(&self) -> Option<Stops> {
        self.stopped.clone()
    }

    pub(crate) fn state(&self) -> Option<&State> {
        self.state.as_ref()
    }

    /// Why there is no mesh.
    pub(crate) fn trouble(&self) -> Option<&Failure> {
        self.trouble.as_ref()
    }

    /// Ends the mesh, then the ledger, then gives the directory free. Waits for all of it.
    pub(crate) fn close(&mut self) {
        drop(self.mesh.take());
        if let Some(ledger) = self.ledger.take() {
            ledger.close();
        }
        self.index = None;
        self.state = None;
    }
}

/// What the mesh is told at its start.
pub(crate) fn setup(settings: &Settings, state: &State, stopped: Stops) -> Setup {
    let reach = if settings.allow_private_proofs { Reach::Anywhere } else { Reach::Public };
    Setup {
        seed: Zeroizing::new(state.key().to_seed()),
        canonical: canonical(settings),
        listen: settings.mesh_listen.iter().map(|address| address.0.to_string()).collect(),
        announce: settings.mesh_announce.iter().map(|address| address.0.to_string()).collect(),
        guest: guest(settings),
        caps: caps(settings),
        stopped,
        reach,
        ways: Arc::new(Ways::new(reach, settings.sample_proxy.as_ref().map(|proxy| proxy.0.clone()))),
    }
}

/// The canonical scheme and authority; empty when none is set, and then nobody founds or joins.
pub(crate) fn canonical(settings: &Settings) -> String {
    settings.site.as_ref().map(|site| format!("{}://{}", site.scheme, site.authority)).unwrap_or_default()
}

pub(crate) fn guest(settings: &Settings) -> Option<GuestAddress> {
    use crate::config::value::Value as _;
    let suffix = settings.guest_suffix.as_ref()?;
    Some(GuestAddress { scheme: settings.guest_scheme.show(), suffix: suffix.0.clone() })
}

pub(crate) fn caps(settings: &Settings) -> Caps {
    let member = Quota {
        requests: settings.caps_member_requests.unwrap_or(Quota::OPEN.requests),
        bytes: settings.caps_member_bytes.unwrap_or(Quota::OPEN.bytes),
        day: settings.caps_member_day.unwrap_or(Quota::OPEN.day),
        storage: settings.caps_member_storage.unwrap_or(Quota::OPEN.storage),
    };
    Caps {
        requests: settings.caps_requests,
        // Whoever promises more than its line carries sends guests back.
        bytes: settings.uplink.map_or(settings.caps_bytes, |uplink| uplink.min(settings.caps_bytes)),
        month: settings.caps_month,
        storage: settings.caps_storage,
        member,
        hours: settings.caps_hours,
    }
}

/// What to tell of a state directory that cannot be used.
pub(crate) fn state_failure(error: &StateError) -> Failure {
    let exit = match error {
        StateError::System { .. } => Exit::Failed,
        _ => Exit::InUse,
    };
    Failure::new(exit, error.to_string(), error.advice())
}

/// What to tell of a ledger that cannot be opened.
pub(crate) fn ledger_failure(error: &OpenError, path: &Path) -> Failure {
    let what = format!("{}: {error}", path.display());
    match error {
        OpenError::Foreign { .. } => {
            Failure::new(Exit::InUse, what, "key and ledger are of two sites: restore the pair that belongs together")
        }
        OpenError::Damaged { .. } => Failure::new(
            Exit::Damaged,
            what,
            "nothing was changed: check the disk, restore the ledger from a backup, see `overspill ledger verify`",
        ),
        OpenError::System(_) => Failure::new(Exit::Failed, what, "mend what the message names, then restart the agent"),
    }
}

#[cfg(test)]
mod tests {
    use overspill_governance::units::ByteRate;

    use super::*;

    #[test]
    fn nobody_promises_more_than_its_line_carries() {
        let carries = |uplink: Option<u64>| caps(&Settings { uplink: uplink.map(ByteRate), ..Settings::default() }).bytes;
        let most = carries(None);
        assert_eq!((carries(Some(most.0 - 1)), carries(Some(most.0 + 1))), (ByteRate(most.0 - 1), most));
    }
}
