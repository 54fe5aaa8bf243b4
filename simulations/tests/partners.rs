//! Partners in a mesh with more members than anybody has partners: who is sought by lot stays, who is gone for good gives up its place.

use std::{collections::BTreeSet, time::Duration};

use overspill_governance::{
    digest::Digest,
    invite::MeshId,
    site::{Key, Signed, SiteId},
    time::{Date, Now},
    units::{ByteRate, Bytes, RequestRate},
};
use overspill_protocol::{
    advert::{Advert, Offer},
    event::Event,
    io::{Input, Output},
    limits::{ADVERTS_TOLD, PARTNERS_DRAWN, PARTNERS_MAX},
    message::Message,
    report::Place,
    site::Site,
    wire,
};
use overspill_simulations::story::{Story, brisk};

const SITES: usize = 36;

/// Partners of a site that have their places in this way.
fn placed(story: &Story, site: usize, place: Place) -> BTreeSet<SiteId> {
    story.report(site).expect("it lives").partners.iter().filter(|partner| partner.place == place).map(|partner| partner.site).collect()
}

#[test]
fn a_partner_that_is_gone_for_good_gives_its_place_to_one_of_whom_partners_told() {
    let mut story = Story::settled(brisk(), 3, SITES);
    story.pass(20);
    let drawn: Vec<BTreeSet<SiteId>> = (0..SITES).map(|site| placed(&story, site, Place::Lot)).collect();
    assert!(drawn.iter().all(|drawn| drawn.len() == PARTNERS_DRAWN));
    assert!((0..SITES).all(|site| placed(&story, site, Place::Merit).len() == PARTNERS_MAX - PARTNERS_DRAWN));
    let gone = story.world.bodies[5].id;
    story.world.crash(5, Duration::from_secs(1_600));
    let sought = |story: &Story| (0..SITES).filter(|site| *site != 5 && placed(story, *site, Place::Merit).contains(&gone)).count();
    let before = sought(&story);
    assert!(before > 5, "{before} seek it for what it is worth");
    story.pass(1_500);
    assert_eq!(sought(&story), 0, "nobody does any more");
    for (site, drawn) in drawn.iter().enumerate().filter(|(site, _)| *site != 5) {
        assert_eq!(placed(&story, site, Place::Lot), *drawn, "the lot does not ask who is there");
        assert_eq!(placed(&story, site, Place::Merit).len(), PARTNERS_MAX - PARTNERS_DRAWN);
    }
    let exchanges = story.world.bodies.iter().flat_map(|body| &body.events).filter_map(|event| match event {
        Event::PartnerExchanged { gone, taken } => Some((*gone, *taken)),
        _ => None,
    });
    let exchanges: Vec<_> = exchanges.collect();
    assert!(
        exchanges.len() >= before && exchanges.iter().all(|(from, to)| *from == gone && to.is_some()),
        "who is there keeps its place for an hour"
    );
    // It comes back, and finds its partners by lot; those with whom it has debts would find it as well.
    story.pass(200);
    story.heal();
    story.check();
}

/// A site that has just asked somebody of whom it knows: the two, and the moment.
fn asking(story: &Story) -> (Site, SiteId, Now) {
    let mut site = story.world.bodies[0].agent.as_ref().expect("it lives").twin();
    let mut now = story.world.now_of(0);
    for _ in 0..300 {
        now = Now { time: now.time.after(Duration::from_secs(1)), date: now.date.after(Duration::from_secs(1)) };
        site.handle(Input::Wake, now);
        for output in std::iter::from_fn(|| site.poll()) {
            match output {
                Output::Send { to, message } if *message == Message::AdvertsAsk(()) => return (site, to, now),
                _ => {}
            }
        }
    }
    panic!("nobody was asked within five minutes");
}

/// How many prospects an asker has once it was told, and what it says of the teller.
fn told(asked: &(Site, SiteId, Now), adverts: Vec<Signed<Advert>>) -> (usize, Option<&'static str>) {
    let (site, teller, now) = asked;
    let mut site = site.twin();
    site.handle(Input::Message { from: *teller, bytes: wire::encode(&Message::AdvertsTell(adverts)) }, *now);
    let said = std::iter::from_fn(|| site.poll()).find_map(|output| match output {
        Output::Tell(Event::Misspoke { reason, .. }) => Some(reason),
        _ => None,
    });
    (site.report(*now).prospects, said)
}

#[test]
fn what_partners_tell_of_others_is_believed_as_far_as_those_signed_it() {
    let mut story = Story::settled(brisk(), 3, SITES);
    story.pass(20);
    let asked = asking(&story);
    let (site, teller, now) = &asked;
    let partners: BTreeSet<SiteId> = site.report(*now).partners.iter().map(|partner| partner.site).collect();
    let unknown = (1..SITES).find(|at| !partners.contains(&story.world.bodies[*at].id)).unwrap();
    let key = story.world.bodies[unknown].key();
    let known = site.report(*now).prospects;
    let advert = Advert {
        mesh: site.report(*now).mesh.unwrap().id,
        site: key.site(),
        date: now.date,
        sequence: 1,
        canonical: "http://site.example".into(),
        addresses: Vec::new(),
        offer: Some(Offer { requests: RequestRate(500), bytes: ByteRate(1 << 24), storage: Bytes(1 << 30), https: true }),
        guest_suffix: "guests.example".into(),
        places: 1,
        load_permille: 100,
        roster: Digest([0; 32]),
        votes: Digest([0; 32]),
    };
    let good = Signed::new(advert.clone(), &key);
    assert_eq!(told(&asked, vec![good.clone()]), (known + 1, None));
    assert_eq!(told(&asked, vec![good.clone(), good.clone()]), (known + 1, None), "one is heard once");
    let full = Signed::new(Advert { places: 0, ..advert.clone() }, &key);
    assert_eq!(told(&asked, vec![full]), (known, None), "nobody knocks where all places are taken");
    let old = Signed::new(Advert { date: Date::from_millis(now.date.as_millis() - 200_000), ..advert.clone() }, &key);
    assert_eq!(told(&asked, vec![old]), (known, None), "what it had to spare, it may have no more");
    let stranger = Key::from_seed([99; 32]);
    let strange = Signed::new(Advert { site: stranger.site(), ..advert.clone() }, &stranger);
    assert_eq!(told(&asked, vec![strange]), (known, None), "who is no member, or none of whom we heard, is left out");
    let embellished = Signed { body: Advert { load_permille: 0, ..advert.clone() }, ..good.clone() };
    assert_eq!(told(&asked, vec![embellished]), (known, Some("an advert passed on that its site did not sign")));
    let foreign = Signed::new(Advert { mesh: MeshId(Digest([1; 32])), ..advert }, &key);
    assert_eq!(told(&asked, vec![foreign]), (known, Some("another mesh's advert, passed on")));
    assert_eq!(told(&asked, vec![good.clone(); ADVERTS_TOLD + 1]), (known, Some("more adverts than there may be")));
    let another = partners.iter().find(|partner| *partner != teller).unwrap();
    let unasked = (asked.0.twin(), *another, *now);
    assert_eq!(told(&unasked, vec![good]), (known, None), "and who was not asked is not heard");
}
