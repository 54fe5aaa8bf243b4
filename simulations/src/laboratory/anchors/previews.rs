//! A stampede of link previews: more than a thousand servers ask for one page within a second.

use super::{
    Anchor, Found, Setting,
    crowd::{Crowd, between, served},
};
use crate::server::Model;

pub(super) const ANCHOR: Anchor = Anchor {
    name: "previews",
    source: "owners' reports of posts in the fediverse: over 1,000 fetches of a link's preview within a second, from addresses of which no two are alike",
    like: "over 1,000 servers fetch one page and its picture, once each, within one second",
    unlike: "reports count fetches and say nothing of renders, so that renders stand alone; helpers are at hand, but a second is over before they have a lease",
    play,
};

/// Previews within the second, as reported.
const ORIGINAL: u64 = 1_000;
/// As chance has it, some more or fewer than these come.
const COMING: u64 = 1_200;
/// One page with one picture.
const MODEL: Model = Model { pages: 1, files: 1, own: 0, previews: true, ..Model::SMALL };

fn play(setting: &Setting) -> Option<Found> {
    let mut found = Found::new("Renders of one page while over a thousand previews of it are fetched");
    let people = Model { previews: false, ..MODEL };
    let ways = [("a copy at hand", MODEL, false), ("no copy", MODEL, true), ("no copy, taken for people", people, true)];
    for (at, (name, model, cold)) in ways.into_iter().enumerate() {
        let crowd = Crowd { model, helpers: 4, views: COMING * 1_000, lasts: 1_000, cold, seed: setting.seed };
        let course = crowd.play();
        found.add_course(crowd.sites(), crowd.length(), &course);
        let all = between(&course, 0, 2_000);
        if at == 0 {
            let wanted: u64 = all.wanted.iter().map(|wanted| u64::from(*wanted)).sum();
            found.figure("previews within a second", "", Some(ORIGINAL * 1_000), wanted * 1_000 / (1 + u64::from(model.files)));
        }
        let renders = (course.fetched.pages + course.fetched.own) * 1_000;
        found.figure(format!("renders, {name}"), "", None, renders);
        found.figure(format!("answered in time, {name}"), "%", None, served(&all));
        found.bar(name, renders);
    }
    Some(found)
}
