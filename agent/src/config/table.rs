//! The one table of settings, from which come the struct, the flags, the environment names, `config show` and the documentation.

use std::{
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

use overspill_edge::AgentlessTarget;
use overspill_governance::units::{ByteRate, Bytes, RequestRate};
use overspill_protocol::quota::Hours;

use super::{
    quantity::Misread,
    value::{
        AccessFormat, Addresses, Contact, Directory, Filter, Host, LogFormat, Multi, Origin, Proof, Scheme, Secret, Trusted, Value, Web,
    },
};

/// When a changed setting takes effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Takes {
    /// At `overspill reload` or SIGHUP, without dropping a request.
    Reload,
    /// When the agent starts.
    Start,
}

/// One row of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Setting {
    /// Its name in the file (`caps.month` is `month` in `[caps]`), the base of its flag and of its environment name.
    pub name: &'static str,
    /// What people are told to write.
    pub form: &'static str,
    /// The default, as people would write it.
    pub default: &'static str,
    /// When a change takes effect.
    pub takes: Takes,
    /// What it does, in one sentence.
    pub sentence: &'static str,
}

impl Setting {
    /// The name of its flag, without the dashes.
    pub fn flag(&self) -> String {
        self.name.replace(['.', '_'], "-")
    }

    /// The name of its environment variable.
    pub fn variable(&self) -> String {
        format!("OVERSPILL_{}", self.name.replace('.', "_").to_ascii_uppercase())
    }
}

macro_rules! settings {
    ($($field:ident: $type:ty, $name:literal = $default:literal, $takes:ident, $sentence:literal;)+) => {
        /// Every setting with its value.
        #[derive(Debug, Clone, PartialEq)]
        pub struct Settings {
            $(#[doc = $sentence] pub $field: $type,)+
        }

        /// The table.
        pub const TABLE: &[Setting] = &[
            $(Setting { name: $name, form: <$type as Value>::FORM, default: $default, takes: Takes::$takes, sentence: $sentence },)+
        ];

        impl Default for Settings {
            fn default() -> Self {
                Self { $($field: built_in($name, $default),)+ }
            }
        }

        impl Settings {
            /// Sets one value from a text.
            ///
            /// # Errors
            /// When the name is not in the table or the text cannot be read; the value is then unchanged.
            pub fn assign(&mut self, name: &str, text: &str) -> Result<(), Misread> {
                match name {
                    $($name => self.$field = Value::read(text)?,)+
                    _ => return Err(Misread::new("is not a setting", "see `overspill config show --explain`")),
                }
                Ok(())
            }

            /// Writes one value as [`Settings::assign`] takes it; empty for a name that is not in the table.
            pub fn show(&self, name: &str) -> String {
                match name {
                    $($name => self.$field.show(),)+
                    _ => String::new(),
                }
            }
        }
    };
}

settings! {
    origin: Origin, "origin" = "http://127.0.0.1:8080", Reload, "Where the web site itself answers, in HTTP/1.1, plain or over TLS.";
    origin_ca: Option<PathBuf>, "origin_ca" = "none", Reload, "File of PEM certificates that may sign the certificate of an origin over https, or be it (none: those that the system trusts).";
    listen: Vec<SocketAddr>, "listen" = "0.0.0.0:8000", Start, "Addresses at which visitors are served.";
    tls_listen: Vec<SocketAddr>, "tls.listen" = "none", Start, "Addresses at which visitors are served over TLS, with HTTP/2 (none: no TLS).";
    tls_certificate: Vec<PathBuf>, "tls.certificate" = "none", Reload, "Files of PEM certificates, each with its chain; chosen by host name, the first serves the rest. Changed files are taken within a minute.";
    tls_key: Vec<PathBuf>, "tls.key" = "none", Reload, "Files of PEM keys, in the order of the certificates; not readable by everybody.";
    tls_redirect: bool, "tls.redirect" = "false", Reload, "Whether GET and HEAD over plain HTTP are sent to https, except below `/.well-known/`.";
    acme_directory: Option<Directory>, "acme.directory" = "none", Reload, "Authority that gives certificates for hosts without a file: `letsencrypt`, `letsencrypt-staging`, or the address of a directory. Setting it agrees to its terms.";
    acme_contact: Option<Contact>, "acme.contact" = "none", Reload, "Where the authority may write to, given when the account is made.";
    acme_challenge: Proof, "acme.challenge" = "http-01", Reload, "How the authority sees whose a host is: at port 80 in plain HTTP, or at port 443 in a handshake.";
    acme_root: Option<PathBuf>, "acme.root" = "none", Reload, "File of PEM roots from which the authority's own certificate descends (none: the system's).";
    site: Option<Web>, "site" = "none", Reload, "The canonical address that visitors use; needed to join a mesh.";
    hosts: Vec<Host>, "hosts" = "none", Reload, "Further host names that are the same site; with neither these nor `site`, every Host is served.";
    state: Option<PathBuf>, "state" = "none", Start, "The one directory that the agent keeps (none: /var/lib/overspill for root, else ~/.local/state/overspill).";
    uplink: Option<ByteRate>, "uplink" = "none", Reload, "What the site's link carries towards visitors; beyond it assets are spilled. Without it nothing is spilled for want of bandwidth.";
    memory: Bytes, "memory" = "128MiB", Reload, "Memory for cached responses.";
    cache_disk: Option<Bytes>, "cache_disk" = "1GiB", Reload, "Disk for cached responses, under the state directory, so that they survive a restart (none: memory only, and what is there is removed).";
    threads: Option<u32>, "threads" = "none", Start, "Threads that serve visitors (none: one for each core).";
    connections: u32, "connections" = "10000", Reload, "Visitors' connections at once; more are refused.";
    connections_per_address: u32, "connections_per_address" = "256", Reload, "Connections at once from one address (IPv6: one /64); loopback and trusted proxies may have any number.";
    miss_budget: Option<Bytes>, "miss_budget" = "256MiB", Reload, "What one address may have the origin send beyond twice what it receives, in ten minutes; then it gets stored answers only (none: nothing is counted).";
    rewrite: bool, "spill.rewrite" = "true", Reload, "Whether cached pages name helpers for their files while the site's link is under pressure.";
    trusted: Trusted, "spill.trusted" = "members", Reload, "Who may serve what browsers do not check, such as images, and every redirected file: `members` (all that hold a lease), `nobody`, or members' keys.";
    agentless: Option<AgentlessTarget>, "spill.agentless" = "none", Reload, "Where pages send browsers for files that they check and no helper has room for, such as a pull zone: `https://zone.example.net{path}`.";
    agentless_month: Bytes, "spill.agentless_month" = "50GiB", Reload, "Bytes that may be sent there in a calendar month (UTC).";
    micro_cache: Duration, "micro_cache" = "5s", Reload, "How long an answer without stated freshness is reused while the origin is overloaded.";
    preview_cache: Duration, "preview_cache" = "5s", Reload, "How long any page is reused for who fetches link previews, in calm, too (0s: such requests are like any).";
    stale_max: Duration, "stale_max" = "10min", Reload, "How old a stale answer may grow while the origin is overloaded.";
    stale_error_max: Duration, "stale_error_max" = "1d", Reload, "How old a stale answer may grow while the origin fails.";
    origin_limit_min: u32, "origin_limit.min" = "2", Reload, "Requests at the origin at once: never learn a lower limit.";
    origin_limit_initial: u32, "origin_limit.initial" = "8", Reload, "Requests at the origin at once: the limit before anything is learned.";
    origin_limit_max: u32, "origin_limit.max" = "256", Reload, "Requests at the origin at once: never learn a higher limit.";
    origin_queue: u32, "origin_limit.queue" = "512", Reload, "Requests that may wait for the origin.";
    origin_wait: Duration, "origin_limit.wait" = "5s", Reload, "How long a request may wait for the origin.";
    origin_delay: Duration, "origin_limit.delay" = "50ms", Reload, "The least queueing delay that counts as origin pressure.";
    origin_timeout: Duration, "origin_limit.timeout" = "30s", Reload, "How long the origin may take to begin an answer.";
    pool_start: u32, "origin_pool.start" = "0", Reload, "Connections to the origin that are there from the start, used or not.";
    pool_max: u32, "origin_pool.max" = "128", Reload, "Unused connections to the origin at most.";
    pool_interval: Duration, "origin_pool.interval" = "30s", Reload, "How long connections to the origin that were needed at once are kept.";
    pool_connect: Duration, "origin_pool.connect" = "2s", Reload, "How long connecting to the origin may take.";
    pool_lookup: Duration, "origin_pool.lookup" = "30s", Reload, "How often the origin's name is looked up, besides when it cannot be reached.";
    keepalive: Duration, "tcp.keepalive" = "1min", Reload, "Silence after which the other end of a connection, visitor's or origin's, is asked whether it is still there.";
    user_timeout: Duration, "tcp.user_timeout" = "30s", Reload, "How long what was sent on a connection, visitor's or origin's, may go unacknowledged before it is given up.";
    backlog: u32, "tcp.backlog" = "1024", Start, "Connections that wait to be accepted, for each address and thread.";
    waiting_page: Option<PathBuf>, "waiting_page" = "none", Reload, "File of the page that visitors get when nothing else can be shown; `{{seconds}}` and `{{reason}}` are filled in (none: a plain page).";
    trusted_proxies: Vec<IpAddr>, "trusted_proxies" = "none", Reload, "Proxies in front whose X-Forwarded-For is believed.";
    purge_token: Option<Secret>, "purge_token" = "none", Reload, "Whoever sends it as a bearer token may PURGE (none: this machine only).";
    admin: Option<SocketAddr>, "admin" = "127.0.0.1:9901", Start, "Loopback address of /metrics, /health and /ready (none: off).";
    access_log_path: Option<PathBuf>, "access_log.path" = "none", Reload, "File of the access log, `-` for standard output.";
    access_log_format: AccessFormat, "access_log.format" = "combined", Reload, "Form of the access log.";
    access_log_addresses: Addresses, "access_log.addresses" = "full", Reload, "Whether visitors' addresses are written whole.";
    log_format: LogFormat, "log.format" = "text", Start, "Form of the agent's own log, on standard error.";
    log_level: Filter, "log.level" = "info", Reload, "What is logged.";
    mesh_listen: Vec<Multi>, "mesh.listen" = "/ip4/0.0.0.0/tcp/7400", Start, "Where members reach this agent; opened only by a member.";
    mesh_announce: Vec<Multi>, "mesh.announce" = "none", Start, "Addresses told to other members (none: those listened on).";
    guest_scheme: Scheme, "guest.scheme" = "http", Start, "Scheme under which guests are served here.";
    guest_suffix: Option<Host>, "guest.suffix" = "none", Start, "Domain (and port) under which guests are served here, one label for each; shares no registrable domain with a real site. Without it this site hosts nobody.";
    caps_requests: RequestRate, "caps.requests" = "200/s", Start, "Requests carried for others in each second, all together.";
    caps_bytes: ByteRate, "caps.bytes" = "10Mbit/s", Start, "Body bytes carried for others in each second, all together; never more than `uplink`.";
    caps_month: Bytes, "caps.month" = "50GiB", Start, "Body bytes carried for others in 30 days.";
    caps_storage: Bytes, "caps.storage" = "64MiB", Start, "Memory for objects held for others.";
    caps_member_requests: Option<RequestRate>, "caps.member_requests" = "none", Start, "Requests carried for one member in each second (none: as many as for all).";
    caps_member_bytes: Option<ByteRate>, "caps.member_bytes" = "none", Start, "Body bytes carried for one member in each second (none: as many as for all).";
    caps_member_day: Option<Bytes>, "caps.member_day" = "none", Start, "Body bytes carried for one member in a day, which begins at midnight UTC (none: as many as for all).";
    caps_member_storage: Option<Bytes>, "caps.member_storage" = "none", Start, "Memory for one member's objects (none: as much as for all).";
    caps_hours: Hours, "caps.hours" = "00:00-24:00", Start, "Hours of the day (UTC) in which anything is carried for others.";
    sample_proxy: Option<Host>, "sample_proxy" = "none", Start, "HTTP proxy (host and port) through which samples of what helpers serve are made, by CONNECT, so that they do not come from a member's address (none: directly).";
    allow_private_proofs: bool, "allow_private_proofs" = "false", Start, "Check members' host names at private and loopback addresses too: for trials on one machine only.";
    clock_offset: i64, "clock_offset" = "0", Start, "Milliseconds added to the calendar: for trials with wrong clocks only.";
    grace: Duration, "grace" = "10s", Reload, "How long requests may take to finish when the agent stops.";
}

fn built_in<T: Value>(name: &str, text: &str) -> T {
    match T::read(text) {
        Ok(value) => value,
        Err(misread) => unreachable!("the default of {name} cannot be read: {text} {}", misread.wrong),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_default_is_read_and_shown_as_it_is_written() {
        let settings = Settings::default();
        for setting in TABLE {
            assert_eq!(settings.show(setting.name), setting.default, "{}", setting.name);
        }
    }

    #[test]
    fn names_flags_and_variables_are_unique() {
        let mut names: Vec<_> = TABLE.iter().flat_map(|setting| [setting.flag(), setting.variable()]).collect();
        names.sort();
        let all = names.len();
        names.dedup();
        assert_eq!(names.len(), all);
    }

    #[test]
    fn sentences_are_sentences() {
        for setting in TABLE {
            assert!(setting.sentence.ends_with(['.', ')']), "{}", setting.name);
        }
    }
}
