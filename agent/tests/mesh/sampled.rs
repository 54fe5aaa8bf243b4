//! Owners look at what their helpers serve: a helper whose files are altered is found, and gets no more visitors.

use overspill_governance::{entry::Entry, regard::Note};

use crate::{
    spill::{crowd_until_helped, joins},
    support::{
        Site,
        between::Between,
        books::entries,
        crowd::{Tally, asset},
        eventually, http,
    },
};

#[test]
fn a_helper_whose_files_are_altered_is_found_and_gets_no_more_visitors() {
    let (mut owner, mut helper) = (Site::new("owner").with("UPLINK", "2Mbit/s"), Site::new("helper"));
    let between = Between::before(helper.port);
    helper.set("GUEST_SUFFIX", &format!("helper-guests.localhost:{}", between.port));
    owner.overspill(&["init", "--name", "Two", "--rule", "settle_window=1", "--rule", "sample_share=200"]).ok();
    owner.run();
    joins(&mut helper, &owner);
    let crowd = crowd_until_helped(&owner, 30);
    let samples = || between.heads().iter().filter(|head| head.contains("Firefox/") && head.contains("overspill-ticket=")).count();
    eventually("samples are made", || samples() >= 10);
    let noted = || entries(&owner).iter().any(|entry| matches!(entry, Entry::Noted { note: Note::Altered, .. }));
    assert!(!noted(), "whatever came was right");

    between.lies_about(".png?");
    eventually("an altered file is found", noted);
    assert!(owner.log().contains("a helper served an altered file"));
    let is_redirected = || (0..6).any(|number| http::ask(&owner.url(&asset(number))).is_ok_and(|(status, ..)| status == 302));
    eventually("nobody is sent there", || !is_redirected());
    let wrong = Tally::read(&crowd.tally.wrong);
    for _ in 0..20 {
        assert!(!is_redirected());
    }
    // Who was on the way when it was found may still have got one.
    assert!(Tally::read(&crowd.ends().wrong) <= wrong + 12);
}
