//! A helper with several guests, whose content is whatever a test says, however hostile.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    thread,
};

use bytes::Bytes;
use http::uri::{Authority, Scheme};
use overspill_edge::{Canonical, Clock, Config, FillFailed, Handle, start};
use overspill_governance::{
    digest::{Digest, ObjectDigest},
    invite::MeshId,
    site::SiteId,
    time::Date,
    units,
};
use overspill_protocol::{
    manifest::{Manifest, Object},
    plan::Plan,
};

use crate::{
    common::{Act, Origin, lease::Lease, ok},
    secure::Certificate,
};

/// Path, media type and body of something that a guest has served.
pub type File = (&'static str, &'static str, &'static str);

/// A helper with a site of its own.
pub struct Helper {
    pub handle: Arc<Handle>,
    /// Its own server, which hears what visitors tell its own site.
    pub own: Origin,
    guests: Vec<Lease>,
    serial: AtomicU32,
}

impl Helper {
    /// Hosts guests, each under a name of its own, beside a site of its own.
    pub fn new(site: &'static str, certificate: &Certificate, guests: &[(&str, &[File])]) -> Self {
        let own = Origin::new(|_| Act::Say(ok("Content-Type: text/html\r\nCache-Control: no-store\r\n", "<p>bread</p>")));
        let mut config = Config::new(own.address.to_string().parse().unwrap());
        config.threads = 1;
        config.tls.listen = vec![([127, 0, 0, 1], 0).into()];
        config.tls.identities = vec![certificate.identity.clone()];
        config.canonical = Some(Canonical { scheme: Scheme::HTTPS, authority: Authority::from_static(site) });
        let clock = Clock::new();
        let handle = Arc::new(start(config, clock.clone()).unwrap());
        let lease = |(at, (name, _)): (usize, &(&str, _))| {
            let number = u8::try_from(at + 1).unwrap();
            Lease::new(number, SiteId([number; 32]), (format!("https://{name}"), "https://nobody.test"), 1_000)
        };
        let leases: Vec<Lease> = guests.iter().enumerate().map(lease).collect();
        let hosts = leases.iter().zip(guests).map(|(lease, (_, files))| lease.host(&manifest(lease.owner, files))).collect();
        handle.apply(Arc::new(Plan { version: 1, made: clock.time(), host: hosts, ..Plan::default() }));
        let bodies = guests.iter().flat_map(|(_, files)| files.iter());
        fill(&handle, bodies.map(|(_, _, body)| (ObjectDigest::of(body.as_bytes()), Bytes::from_static(body.as_bytes()))).collect());
        Self { handle, own, guests: leases, serial: AtomicU32::new(1) }
    }

    /// Where a visitor finds a guest's file, with a ticket that nobody has used.
    pub fn address(&self, guest: usize, path: &str) -> String {
        self.guests[guest].address(path, self.serial.fetch_add(1, Relaxed))
    }
}

fn manifest(owner: SiteId, files: &[File]) -> Arc<Manifest> {
    let object = |(path, kind, body): &File| Object {
        path: (*path).to_owned(),
        digest: ObjectDigest::of(body.as_bytes()),
        size: units::Bytes(body.len() as u64),
        media_type: (*kind).to_owned(),
        fresh_until: Date::from_millis(u64::MAX / 2),
    };
    let mut objects: Vec<Object> = files.iter().map(object).collect();
    objects.sort_by(|one, other| one.path.cmp(&other.path));
    Arc::new(Manifest { mesh: MeshId(Digest::ZERO), owner, run: 1, generation: 1, date: Date::from_millis(0), objects })
}

fn fill(handle: &Arc<Handle>, bodies: BTreeMap<ObjectDigest, Bytes>) {
    let handle = Arc::clone(handle);
    let mut wanted = handle.take_wanted().unwrap();
    thread::spawn(move || {
        while let Some(want) = wanted.blocking_recv() {
            handle.filled(&want, bodies.get(&want.digest).cloned().ok_or(FillFailed::Gone));
        }
    });
}
