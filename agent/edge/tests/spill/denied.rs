//! Stories of what is denied between an owner and a helper.

use overspill_edge::{Denial, DenialStatus, Handle};

use super::{Mesh, OWNER, asset, common, lease, until};

fn deny(edge: &Handle, url: &str) {
    edge.deny(&[Denial { url: url.parse().unwrap(), status: DenialStatus::Legal, reason: String::new(), blocked_by: None }]);
}

/// An owner with two images, of which the first was served by its helper.
fn helped() -> Mesh {
    let mesh = Mesh::new();
    for path in ["/a.png", "/b.png"] {
        assert_eq!(mesh.ask_owner(path, "").status, 200);
    }
    until("the images are spillable", || mesh.owner.observe().hot.len() == 2);
    mesh.lease();
    mesh.fill();
    let served = mesh.follow(&mesh.spilled("/a.png"));
    assert!(served.status == 200 && served.text() == asset("/a.png"), "{}", served.head);
    mesh
}

#[test]
fn what_the_owner_denies_is_never_redirected_and_leaves_its_helper() {
    let mesh = helped();
    let ticket = mesh.spilled("/a.png");
    deny(&mesh.owner, "http://blog.example/a.png");
    for _ in 0..20 {
        assert_eq!(mesh.ask_owner("/a.png", "").status, 451);
        let _excess = mesh.ask_owner("/b.png", "");
    }
    mesh.spilled("/b.png");
    // The helper hears by the next manifest.
    mesh.lease();
    assert_eq!(mesh.helper.metrics().hosting.stored_objects, 0, "its copy is gone");
    let back = mesh.follow(&ticket);
    assert_eq!(back.status, 302, "who has a ticket is sent home");
    assert_eq!(mesh.follow(&back).status, 451, "and learns it there");
}

#[test]
fn what_a_helper_denies_of_a_guest_is_shown_and_filled_no_more() {
    let mesh = helped();
    let tickets = [mesh.spilled("/a.png"), mesh.spilled("/a.png")];
    deny(&mesh.helper, "http://blog.example/a.png");
    assert_eq!(mesh.helper.metrics().hosting.stored_objects, 0, "its copy is gone");
    for ticket in &tickets {
        assert_eq!(mesh.follow(ticket).status, 451);
    }
    let other = mesh.follow(&mesh.spilled("/b.png"));
    assert!(other.status == 200 && other.text() == asset("/b.png"), "{}", other.head);
    let hosting = mesh.helper.metrics().hosting;
    assert_eq!((hosting.fills, hosting.stored_objects), (2, 1), "nothing is fetched for it");
    // A standby copy that comes all the same is not taken.
    let manifest = lease::manifest(&mesh.owner, OWNER, &mesh.clock, |path| path == "/a.png");
    let object = &manifest.objects[0];
    let want = overspill_protocol::plan::FillWanted {
        lease: overspill_governance::payword::LeaseId([3; 8]),
        owner: OWNER,
        digest: object.digest,
        size: object.size,
    };
    assert!(!mesh.helper.stand_by(&want, asset("/a.png").into()));
    // By the name that it has here it is the same thing.
    mesh.helper.deny(&[]);
    assert_eq!(mesh.follow(&mesh.spilled("/a.png")).status, 200);
    deny(&mesh.helper, &format!("http://{}/a.png", mesh.guest()));
    assert_eq!(mesh.follow(&mesh.spilled("/a.png")).status, 451);
    assert_eq!(common::get(&mesh.helper, "/a.png").status, 200, "the helper's own site has nothing to do with it");
}
