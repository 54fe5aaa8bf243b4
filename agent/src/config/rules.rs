//! Rules that no single value can break: which settings do not go together.

use super::{Loaded, fault::Fault, table::Settings};

/// Adds a fault for each rule that the configuration breaks.
pub fn check(loaded: &Loaded, faults: &mut Vec<Fault>) {
    for rule in RULES.iter().chain(RULES_OF_THE_FIRST) {
        if let Some((name, wrong)) = (rule.broken)(&loaded.settings) {
            faults.push(Fault { at: loaded.source(name), wrong, write: rule.write.to_owned() });
        }
    }
}

/// What is wrong with further sites by these rules, if it is not wrong with the first one, too.
pub(super) fn check_site(first: &Settings, site: &Settings) -> impl Iterator<Item = (&'static str, String, &'static str)> {
    RULES.iter().filter_map(|rule| {
        let broken = (rule.broken)(site)?;
        ((rule.broken)(first).as_ref() != Some(&broken)).then_some((broken.0, broken.1, rule.write))
    })
}

struct Rule {
    /// The setting to blame and what is wrong.
    broken: fn(&Settings) -> Option<(&'static str, String)>,
    write: &'static str,
}

const RULES: &[Rule] = &[
    Rule {
        broken: |all| {
            let ordered = 1 <= all.origin_limit_min
                && all.origin_limit_min <= all.origin_limit_initial
                && all.origin_limit_initial <= all.origin_limit_max;
            (!ordered).then(|| {
                let (min, initial, max) = (all.origin_limit_min, all.origin_limit_initial, all.origin_limit_max);
                ("origin_limit.initial", format!("origin_limit: min {min}, initial {initial} and max {max} are out of order"))
            })
        },
        write: "1 <= min <= initial <= max",
    },
    Rule {
        broken: |all| all.listen.is_empty().then(|| ("listen", "listen: no address to serve visitors at".to_owned())),
        write: "for example listen = \"0.0.0.0:80\"",
    },
    Rule {
        broken: |all| {
            let lacks = !all.tls_listen.is_empty() && all.tls_certificate.is_empty() && all.acme_directory.is_none();
            lacks.then(|| ("tls.listen", "tls.listen: there is no certificate to show".to_owned()))
        },
        write: "tls.certificate and tls.key as well, or acme.directory, or tls.listen = \"none\"",
    },
    Rule {
        broken: |all| {
            let directory = all.acme_directory.as_ref().filter(|_| all.tls_listen.is_empty())?;
            Some(("acme.directory", format!("acme.directory: nobody is shown the certificates of {}", directory.url)))
        },
        write: "tls.listen as well, for example 0.0.0.0:443, or acme.directory = \"none\"",
    },
    Rule {
        broken: |all| {
            let (certificates, keys) = (all.tls_certificate.len(), all.tls_key.len());
            (certificates != keys).then(|| ("tls.key", format!("tls.key: {keys} keys for {certificates} certificates")))
        },
        write: "one key for each certificate, in the same order",
    },
    Rule {
        broken: |all| {
            let site = all.site.as_ref().filter(|site| all.tls_redirect && site.scheme != "https")?;
            Some(("tls.redirect", format!("tls.redirect: the site's address is http://{}", site.authority)))
        },
        write: "site with https://, or tls.redirect = \"false\"",
    },
    Rule {
        broken: |all| {
            let origin: Option<std::net::SocketAddr> = all.origin.authority.parse().ok();
            let looped =
                all.listen.iter().chain(&all.tls_listen).find(|listen| origin.is_some_and(|origin| is_reached_by(listen, &origin)))?;
            Some(("origin", format!("origin: {} is this agent's own listener {looped}", all.origin.authority)))
        },
        write: "the address of the web server behind the agent",
    },
    Rule {
        broken: |all| {
            let admin = all.admin.filter(|admin| !admin.ip().is_loopback())?;
            Some(("admin", format!("admin: {admin} is not a loopback address, and nothing there asks who you are")))
        },
        write: "for example 127.0.0.1:9901, with a proxy of your own in front if it must be reached from elsewhere",
    },
    Rule {
        broken: |all| {
            let (suffix, site) = (all.guest_suffix.as_ref()?, all.site.as_ref()?);
            let host = suffix.0.rsplit_once(':').map_or(suffix.0.as_str(), |(host, _)| host);
            let shares = host == site.host() || host.ends_with(&format!(".{}", site.host()));
            // Loopback trials have no second domain to give.
            (shares && !site.host().ends_with("localhost"))
                .then(|| ("guest.suffix", format!("guest.suffix: {host} lies under this site's own name, so guests could set its cookies")))
        },
        write: "a domain that shares nothing with a real site",
    },
    Rule {
        broken: |all| {
            let target = all.agentless.as_ref()?;
            let own = all.site.iter().map(|site| &site.authority).chain(all.hosts.iter().map(|host| &host.0));
            let is_guests = |suffix: &str| is_same_host(target.authority(), suffix) || target.authority().ends_with(&format!(".{suffix}"));
            let loops = all.guest_suffix.iter().any(|suffix| is_guests(&suffix.0))
                || own.into_iter().any(|own| is_same_host(target.authority(), own));
            loops.then(|| ("spill.agentless", format!("spill.agentless: {} is this agent's own name", target.authority())))
        },
        write: "the host of the other service, which fetches from this site",
    },
    Rule {
        broken: |all| (all.memory.0 < 1 << 20).then(|| ("memory", "memory: less than 1MiB holds no page".to_owned())),
        write: "for example memory = \"128MiB\"",
    },
    Rule {
        broken: |all| {
            let (start, max) = (all.pool_start, all.pool_max);
            (start > max).then(|| ("origin_pool.start", format!("origin_pool: start {start} is more than max {max}")))
        },
        write: "start <= max",
    },
    Rule {
        broken: |all| (all.pool_connect.is_zero()).then(|| ("origin_pool.connect", "origin_pool.connect: no time to connect".to_owned())),
        write: "for example origin_pool.connect = \"2s\"",
    },
    Rule {
        broken: |all| (all.backlog == 0).then(|| ("tcp.backlog", "tcp.backlog: 0 lets nobody in".to_owned())),
        write: "for example tcp.backlog = \"1024\"",
    },
    Rule {
        broken: |all| {
            let little = all.cache_disk.filter(|bytes| bytes.0 < 16 << 20)?;
            Some(("cache_disk", format!("cache_disk: {} bytes hold next to nothing", little.0)))
        },
        write: "16MiB or more, for example cache_disk = \"1GiB\", or none",
    },
    Rule {
        broken: |all| all.uplink.filter(|rate| rate.0 == 0).map(|_| ("uplink", "uplink: 0 lets nothing out".to_owned())),
        write: "what the link carries, for example 20Mbit/s, or none",
    },
    Rule {
        broken: |all| {
            all.threads
                .filter(|threads| !(1..=256).contains(threads))
                .map(|threads| ("threads", format!("threads: {threads} is out of range")))
        },
        write: "1 to 256, or none",
    },
];

/// Rules that say nothing of further sites.
const RULES_OF_THE_FIRST: &[Rule] = &[Rule {
    broken: |all| {
        let (target, site) = (all.agentless.as_ref()?, all.site.as_ref()?);
        let mixed = site.scheme == "https" && target.base().starts_with("http://");
        mixed.then(|| ("spill.agentless", "spill.agentless: browsers load nothing over http into a page over https".to_owned()))
    },
    write: "https:// before its host",
}];

/// Whether two authorities are one, whichever of them writes the port that a scheme has anyhow.
fn is_same_host(one: &str, other: &str) -> bool {
    let bare = |authority: &str| authority.trim_end_matches(":443").trim_end_matches(":80").to_ascii_lowercase();
    bare(one) == bare(other)
}

fn is_reached_by(listen: &std::net::SocketAddr, target: &std::net::SocketAddr) -> bool {
    listen.port() != 0
        && listen.port() == target.port()
        && (listen.ip() == target.ip() || listen.ip().is_unspecified() && target.ip().is_loopback())
}

#[cfg(test)]
mod tests {
    use super::super::{Request, flags::Flags};

    fn faults(flags: &[(&'static str, &str)]) -> String {
        Request { flags: Flags::of(flags), ..Request::default() }.load().map_or_else(|faults| faults.to_string(), |_| String::new())
    }

    #[test]
    fn each_rule_bites() {
        assert!(faults(&[("origin_limit.min", "9")]).contains("out of order"));
        assert!(faults(&[("listen", "none")]).contains("no address"));
        assert!(faults(&[("origin", "http://127.0.0.1:80"), ("listen", "0.0.0.0:80")]).contains("own listener"));
        assert!(faults(&[("admin", "0.0.0.0:9901")]).contains("--admin: admin: 0.0.0.0:9901 is not a loopback address"));
        assert!(faults(&[("site", "https://blog.example"), ("guest.suffix", "guests.blog.example")]).contains("cookies"));
        assert!(faults(&[("memory", "1kB")]).contains("holds no page"));
        assert!(faults(&[("cache_disk", "1MiB")]).contains("next to nothing"));
        assert_eq!(faults(&[("cache_disk", "none")]), "");
        assert!(faults(&[("uplink", "0B/s")]).contains("nothing out"));
        assert!(faults(&[("tls.listen", "0.0.0.0:443")]).contains("no certificate to show"));
        assert!(faults(&[("tls.certificate", "a.pem, b.pem"), ("tls.key", "a.key")]).contains("1 keys for 2 certificates"));
        assert!(faults(&[("tls.redirect", "true"), ("site", "http://blog.example")]).contains("address is http://blog.example"));
        assert!(faults(&[("acme.directory", "letsencrypt")]).contains("nobody is shown the certificates"));
        assert_eq!(faults(&[("acme.directory", "letsencrypt"), ("tls.listen", "0.0.0.0:443")]), "");
        assert!(faults(&[("threads", "0")]).contains("out of range"));
        assert!(faults(&[("origin_pool.start", "129")]).contains("more than max 128"));
        assert!(faults(&[("origin_pool.connect", "0s")]).contains("no time to connect"));
        assert!(faults(&[("tcp.backlog", "0")]).contains("nobody in"));
        let zone = |more: &[(&'static str, &str)]| faults(&[&[("spill.agentless", "https://zone.example.net{path}")], more].concat());
        assert_eq!(zone(&[("site", "https://blog.example"), ("guest.suffix", "e.example.net")]), "");
        for own in [("site", "http://zone.example.net"), ("hosts", "blog.example, zone.example.net:443"), ("guest.suffix", "example.net")] {
            assert!(zone(&[own]).contains("zone.example.net is this agent's own name"), "{own:?}");
        }
        let plain = faults(&[("spill.agentless", "http://zone.example.net{path}"), ("site", "https://blog.example")]);
        assert!(plain.contains("nothing over http into a page over https"));
        assert_eq!(faults(&[]), "");
    }
}
