//! The running agent, as the admin listener and the control socket see it.

use std::{
    collections::BTreeSet,
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use arc_swap::ArcSwap;
use overspill_edge::{Clock, Handle, Identity};
use overspill_governance::{charter::Charter, site::SiteId};
use overspill_protocol::{
    event::Answer,
    io::{Command, Keeps, Wish},
    report::Report,
};
use serde_json::{Value, json};

use super::{
    edge,
    keep::{self, Keep},
};
use crate::{
    access_log::{self, AccessLog},
    acme::{Keeper, limits::GUESTS_LOOK},
    admin::{denials, lines, members, status, talk::Ask, votes},
    agentless::Meter,
    certificates::{self, Stamps},
    cli::{
        exit::{Exit, Failure},
        ledger::{self as records_form, About},
    },
    config::{
        Loaded, Request,
        fault::Faults,
        table::{TABLE, Takes},
    },
    index::Index,
    ledger::Ledger,
    mesh_handle::MeshHandle,
    named::Named,
    state::State,
    telemetry::Level,
};

/// All parts of the running agent.
pub struct Agent {
    pub(super) request: Request,
    pub(super) loaded: ArcSwap<Loaded>,
    pub(super) edge: Arc<Handle>,
    pub(super) keep: Keep,
    pub(super) access: Mutex<Option<AccessLog>>,
    pub(super) level: Level,
    pub(super) started: Instant,
    pub(super) admin: Option<SocketAddr>,
    pub(super) stopping: AtomicBool,
    pub(super) clock: Clock,
    /// The files of the certificates in use.
    pub(super) stamps: Mutex<Stamps>,
    /// Certificates from an authority.
    pub(super) acme: Keeper,
    /// What the agentless target was promised, once somebody wanted to promise it something.
    pub(super) agentless: Mutex<Option<Meter>>,
}

impl Agent {
    /// The data plane.
    pub fn edge(&self) -> &Handle {
        &self.edge
    }

    /// The mesh, when one could be started. It may be away for a moment.
    pub fn mesh(&self) -> Option<MeshHandle> {
        self.keep.mesh()
    }

    /// The ledger, when it could be opened.
    pub fn ledger(&self) -> Option<&Ledger> {
        self.keep.ledger()
    }

    /// Since the start.
    pub fn uptime(&self) -> Duration {
        self.started.elapsed()
    }

    /// The agent has been told to stop.
    pub fn is_stopping(&self) -> bool {
        self.stopping.load(Relaxed)
    }

    /// Why there is no mesh.
    pub fn trouble(&self) -> Option<&Failure> {
        self.keep.trouble()
    }

    /// Answers a question of the command line.
    ///
    /// # Errors
    /// What happened, and what to do.
    pub async fn answer(&self, ask: Ask) -> Result<Value, Failure> {
        match ask {
            Ask::Status => Ok(self.status().await),
            Ask::Partners => Ok(status::partners(&self.report().await?)),
            Ask::Lines => Ok(lines::lines(&self.report().await?, true)),
            Ask::Members => self.members().await,
            Ask::Dispute { member, reason } => self.dispute(&member, reason).await,
            Ask::Records { about } => self.records(&about),
            Ask::Reload => self.reload(),
            Ask::Init { name, rules } => {
                self.needs_site()?;
                let charter = charter(&rules)?;
                self.wish(Command::Found { name: name.clone(), charter }).await?;
                Ok(json!({ "schema": "overspill.init/1", "name": name, "site": self.site() }))
            }
            Ask::Invite { seconds } => match self.wish(Command::Invite { lifetime: Duration::from_secs(seconds) }).await? {
                Answer::Invited { token } => Ok(json!({ "schema": "overspill.invite/1", "token": token, "seconds": seconds })),
                other => Err(odd(&other)),
            },
            Ask::Join { token } => {
                self.needs_site()?;
                self.wish(Command::Join { token }).await?;
                Ok(json!({ "schema": "overspill.join/1", "site": self.site() }))
            }
            Ask::Recover { partner, addresses } => {
                self.needs_site()?;
                let partner = partner.parse::<SiteId>().map_err(|_| About::read(&partner).err().unwrap_or_else(no_mesh))?;
                self.wish(Command::Recover { partner, addresses }).await?;
                Ok(json!({ "schema": "overspill.recover/1", "site": self.site() }))
            }
            Ask::Leave => {
                self.wish(Command::Leave).await?;
                Ok(json!({ "schema": "overspill.leave/1", "site": self.site() }))
            }
            Ask::Rules => {
                let report = self.report().await?;
                let name = report.mesh.as_ref().ok_or_else(no_mesh)?.name.as_str();
                Ok(votes::rules(Some(name), report.council.version, &report.council.charters))
            }
            Ask::Votes => {
                let report = self.report().await?;
                report.mesh.as_ref().ok_or_else(no_mesh)?;
                Ok(votes::votes(&report.council))
            }
            Ask::Amend { parameter, to, discuss } => self.propose(Wish::Amend { parameter, to }, discuss).await,
            Ask::Remove { member, keep, discuss } => {
                let site = |name: &str| name.parse::<SiteId>().map_err(|_| About::read(name).err().unwrap_or_else(no_mesh));
                let keeps = match keep.iter().map(String::as_str).collect::<Vec<_>>()[..] {
                    [] => Keeps::Unsaid,
                    ["all"] => Keeps::All,
                    ["none"] => Keeps::These(Vec::new()),
                    ref names => Keeps::These(names.iter().map(|name| site(name)).collect::<Result<_, _>>()?),
                };
                self.propose(Wish::Remove { member: site(&member)?, keeps }, discuss).await
            }
            Ask::Pardon { member, discuss } => {
                let member = member.parse().map_err(|_| About::read(&member).err().unwrap_or_else(no_mesh))?;
                self.propose(Wish::Pardon { member }, discuss).await
            }
            Ask::Second { motion } => self.note("overspill.vote-second/1", Command::Second { motion }).await,
            Ask::Object { motion, reason } => self.note("overspill.vote-object/1", Command::Object { motion, reason }).await,
            Ask::Deny(wish) => self.change_denied(move |list| denials::deny(list, &wish)).await,
            Ask::Allow { url } => self.change_denied(move |list| denials::allow(list, &url)).await,
            Ask::Denied => self.denied(),
            Ask::Carry => Ok(self.carry().await),
            Ask::CarryFor { member, stopped } => self.carry_for(&member, stopped).await,
            Ask::KillMesh => {
                self.meshed()?.die();
                Ok(json!({ "schema": "overspill.kill-mesh/1" }))
            }
        }
    }

    async fn propose(&self, wish: Wish, discuss: String) -> Result<Value, Failure> {
        match self.wish(Command::Propose { wish, discuss }).await? {
            Answer::Moved { motion, deadline } => {
                Ok(json!({ "schema": "overspill.propose/1", "motion": motion.to_string(), "deadline": deadline.to_string() }))
            }
            other => Err(odd(&other)),
        }
    }

    async fn note(&self, schema: &str, command: Command) -> Result<Value, Failure> {
        match self.wish(command).await? {
            Answer::Noted { motion } => Ok(json!({ "schema": schema, "motion": motion.to_string() })),
            other => Err(odd(&other)),
        }
    }

    fn needs_site(&self) -> Result<(), Failure> {
        if self.loaded.load().settings.site.is_some() {
            return Ok(());
        }
        Err(no_site())
    }

    fn meshed(&self) -> Result<MeshHandle, Failure> {
        let away = || Failure::new(Exit::Failed, "this agent runs without a mesh", "see its log for the reason");
        self.mesh().ok_or_else(|| self.trouble().cloned().unwrap_or_else(away))
    }

    pub(super) async fn wish(&self, command: Command) -> Result<Answer, Failure> {
        let answer = self.meshed()?.command(command).await;
        answer
            .map_err(|reason| Failure::new(Exit::Refused, reason, "nothing was changed by this; `overspill status` shows how things stand"))
    }

    pub(super) async fn report(&self) -> Result<Report, Failure> {
        let report = self.meshed()?.report().await;
        report.map_err(|reason| Failure::new(Exit::Failed, reason, "the site goes on serving; try again in a moment"))
    }

    async fn members(&self) -> Result<Value, Failure> {
        let (mesh, site) = (self.meshed()?, self.keep.state().map(|state| state.key().site()));
        let told =
            mesh.members().await.map_err(|reason| Failure::new(Exit::Failed, reason, "the site goes on serving; try again in a moment"))?;
        told.zip(site).map(|(report, us)| members::members(&report, us)).ok_or_else(no_mesh)
    }

    fn site(&self) -> Option<String> {
        self.keep.state().map(|state| state.key().site().to_string())
    }

    async fn status(&self) -> Value {
        let loaded = self.loaded.load_full();
        let report = match self.mesh() {
            Some(mesh) => mesh.report().await,
            None => Err(self.trouble().map_or_else(|| "not started".to_owned(), ToString::to_string)),
        };
        let (mesh, trouble) = match report {
            Ok(report) => (status::mesh(&report), None),
            Err(reason) => (Value::Null, Some(reason)),
        };
        let ledger = self.ledger().map(|ledger| {
            let (head, health) = (ledger.head(), *ledger.health().borrow());
            json!({ "health": health.word(), "entries": head.seq, "bytes": head.len, "head": head.link.to_string() })
        });
        json!({
            "schema": status::STATUS,
            "version": env!("CARGO_PKG_VERSION"),
            "pid": std::process::id(),
            "uptime_ms": u64::try_from(self.uptime().as_millis()).unwrap_or(u64::MAX),
            "site": self.site(),
            "canonical": loaded.settings.show("site"),
            "origin": loaded.settings.show("origin"),
            "sites": status::sites(&loaded),
            "listen": self.edge.local_addrs().iter().map(SocketAddr::to_string).collect::<Vec<_>>(),
            "admin": self.admin.map(|admin| admin.to_string()),
            "state": self.keep.state().map(State::path),
            "config": loaded.file,
            "stopping": self.is_stopping(),
            "load": status::load(&self.edge.observe()),
            "served": status::served(&self.edge.metrics()),
            "ledger": ledger,
            "mesh": mesh,
            "trouble": trouble,
        })
    }

    /// Answered from the index where that agrees with the ledger.
    fn records(&self, about: &str) -> Result<Value, Failure> {
        let (Some(ledger), index) = (self.ledger(), self.keep.index()) else { return Err(self.meshed().err().unwrap_or_else(no_site)) };
        let about = About::read(about)?;
        let indexed = index.map(|index: &Index| about.by_index(index, ledger));
        let records = match indexed {
            Some(Ok(records)) => records,
            _ => about.by_reading(ledger.records().map_err(|error| Failure::of_system("the ledger cannot be read", error))?)?,
        };
        Ok(records_form::records_json(&records))
    }

    /// Takes what can be changed while serving. A configuration with faults changes nothing.
    ///
    /// # Errors
    /// All that is wrong in it.
    pub fn reload(&self) -> Result<Value, Failure> {
        let refused = |faults: Faults| {
            tracing::warn!(%faults, "configuration not reloaded: the old one stays in force");
            Failure::new(Exit::Usage, faults.to_string(), "the old configuration stays in force; `overspill config check` checks again")
        };
        let fresh = self.request.load().map_err(refused)?;
        let (fresh, waiting) = keep_started(fresh, &self.loaded.load());
        let stamps = Stamps::of(&fresh.settings);
        let named = Named::read(&fresh).map_err(refused)?;
        self.doubt(&named.identities, &fresh);
        let named = Named { identities: self.acme.take(&fresh, named.identities), ..named };
        self.edge.reload(edge::config(&fresh, named, self.keep.state())?);
        *self.stamps.lock().unwrap_or_else(PoisonError::into_inner) = stamps;
        self.level.set(&fresh.settings.log_level);
        if let Some(access) = self.access.lock().unwrap_or_else(PoisonError::into_inner).as_ref() {
            access.reopen(access_log::Form::of(&fresh.settings));
            self.edge.keep_records(fresh.settings.access_log_path.is_some());
        }
        self.loaded.store(Arc::new(fresh));
        tracing::info!(?waiting, "configuration reloaded");
        Ok(json!({ "schema": "overspill.reload/1", "needs_restart": waiting }))
    }
}

impl Agent {
    /// Looks at the files of the certificates each minute and takes them when they have changed.
    pub(super) async fn keep_certificates(self: Arc<Self>) {
        loop {
            tokio::time::sleep(certificates::LOOK).await;
            self.renew_certificates();
        }
    }

    /// Has an authority issue what is lacking, and renew what grows old.
    pub(super) async fn keep_issued(self: Arc<Self>) {
        let issue = self.acme.run(&self.edge, || self.loaded.load().settings.clone(), || self.clock.date());
        tokio::join!(issue, self.note_guests());
    }

    /// Says under which names guests are, or may come to be, served here: those of partners that are proved, and of leases.
    async fn note_guests(&self) {
        loop {
            let loaded = self.loaded.load_full();
            let address =
                keep::guest(&loaded.settings).filter(|address| address.scheme == "https" && loaded.settings.acme_directory.is_some());
            if let (Some(address), Some(mesh)) = (address, self.mesh())
                && let Ok(report) = mesh.report().await
            {
                let proved = report.partners.iter().filter(|partner| partner.proved).map(|partner| partner.site);
                let hosted = report.leases.iter().filter(|lease| !lease.as_owner).map(|lease| lease.partner);
                let names: BTreeSet<String> = proved.chain(hosted).map(|site| address.authority(&site)).collect();
                self.acme.take_guests(&loaded, names.into_iter().collect());
            }
            tokio::time::sleep(GUESTS_LOOK).await;
        }
    }

    /// Takes the certificates if their files have changed. Ones that cannot be used change nothing, and are tried again when the files
    /// change again: who renews them writes two files, one after the other.
    fn renew_certificates(&self) {
        let loaded = self.loaded.load();
        let stamps = Stamps::of(&loaded.settings);
        let mut known = self.stamps.lock().unwrap_or_else(PoisonError::into_inner);
        if *known == stamps {
            return;
        }
        *known = stamps;
        match certificates::read(&loaded) {
            Ok(identities) => {
                self.doubt(&identities, &loaded);
                tracing::info!(certificates = identities.len(), "changed certificates are in use");
                self.edge.certify(&self.acme.take(&loaded, identities));
            }
            Err(faults) => tracing::warn!(%faults, "changed certificates cannot be used: the old ones stay in use"),
        }
    }

    /// Says what an owner should know of certificates.
    pub(super) fn doubt(&self, identities: &[Identity], loaded: &Loaded) {
        for doubt in certificates::doubts(identities, loaded, self.clock.date()) {
            tracing::warn!("{doubt}");
        }
    }
}

/// Leaves what is taken only at the start as it was, and names what therefore waits for a restart.
fn keep_started(mut fresh: Loaded, old: &Loaded) -> (Loaded, Vec<&'static str>) {
    let mut waiting = Vec::new();
    for setting in TABLE.iter().filter(|setting| setting.takes == Takes::Start) {
        let kept = old.settings.show(setting.name);
        if fresh.settings.show(setting.name) != kept && fresh.settings.assign(setting.name, &kept).is_ok() {
            fresh.sources.insert(setting.name, old.source(setting.name));
            waiting.push(setting.name);
        }
    }
    (fresh, waiting)
}

/// The charter with some rules changed.
///
/// # Errors
/// Names the rule that cannot be changed so.
pub(crate) fn charter(rules: &[(String, i64)]) -> Result<Charter, Failure> {
    rules.iter().try_fold(Charter::default(), |charter, (name, value)| {
        charter.with(name, *value).map_err(|error| {
            Failure::new(
                Exit::Usage,
                format!("--rule {name}={value}: {error}"),
                "nothing was founded; the rules stand in docs/src/charter.md",
            )
        })
    })
}

/// What no wish is answered with.
pub(crate) fn odd(answer: &Answer) -> Failure {
    Failure::new(Exit::Failed, format!("the mesh answered this with {answer:?}"), "please report this")
}

/// What only members have.
pub(crate) fn no_mesh() -> Failure {
    Failure::new(Exit::Refused, "this site is in no mesh", "`overspill init` founds one, `overspill join TOKEN` joins one")
}

/// Nobody can belong to a mesh without an address that visitors use.
pub(crate) fn no_site() -> Failure {
    Failure::new(
        Exit::Usage,
        "this site has no canonical address",
        "set `site`, for example --site https://blog.example, and start the agent with it",
    )
}
