//! Lines, disputes and members at the command line: by the ledger alone, by a running agent, and between two agents.

use overspill_governance::regard::Note;

use crate::{
    support::{Agent, Origin, Place, free_address, wait_until},
    village::Village,
};

fn site(text: &impl ToString) -> String {
    text.to_string()
}

/// A line of `lines --json` or `statement --json`.
fn line(place: &Place, command: &str, partner: &str) -> serde_json::Value {
    let told = place.say(&[command, "--json"]).assert_done().json();
    let found = told["lines"].as_array().unwrap().iter().find(|line| line["partner"] == partner).cloned();
    found.unwrap_or_else(|| panic!("no line with {partner} in {told}"))
}

#[test]
fn lines_are_told_by_the_ledger_alone_and_by_a_running_agent() {
    let (place, origin) = (Place::new(), Origin::start("the blog"));
    place.say(&["lines"]).assert_failed(1, "ledger");
    let village = Village::found(&place).trade();
    let (baker, miller) = (site(&village.baker.site()), site(&village.miller.site()));
    let village =
        village.note(baker.parse().unwrap(), Note::Undelivered).note(miller.parse().unwrap(), Note::TheyDispute("Too dear.".into()));
    village.write(&place);

    let with_baker = line(&place, "lines", &baker);
    assert_eq!((&with_baker["balance_micro"], &with_baker["seq"], &with_baker["epoch"]), (&(-750_000).into(), &4.into(), &0.into()));
    assert_eq!((&with_baker["start_micro"], &with_baker["limit_taken_micro"]), (&2_000_000.into(), &2_000_000.into()));
    assert_eq!((&with_baker["limit_given_micro"], &with_baker["grown_given_micro"]), (&2_500_000.into(), &500_000.into()), "it served us");
    assert_eq!(with_baker["granted_micro"], 1_875_000, "a quarter less for a breach");
    assert_eq!(with_baker["breaches"].as_array().map(Vec::len), Some(1));
    assert_eq!((&with_baker["locked_micro"], &with_baker["locks"][0]["members"]), (&100_000.into(), &3.into()));
    assert_eq!((&with_baker["busy_beside_millionths"], &with_baker["unsettled_taken_micro"]), (&().into(), &().into()), "only measured");
    let with_miller = line(&place, "lines", &miller);
    assert_eq!((&with_miller["disputed"], &with_miller["theirs"]["reason"]), (&true.into(), &"Too dear.".into()));

    let words = place.say(&["lines"]);
    for sentence in [
        "we owe it 0.75 credits",
        "It may owe us 2.5 credits: 2 credits as a newcomer may, and 0.5 credits for service that was settled.",
        "For new service it is granted 1.875 credits: a breach is remembered until ",
        "Of what we owe, 0.1 credits are locked for round ",
        "It disputes it since ",
        "How often partners are busy together is measured while the agent runs.",
    ] {
        assert!(words.assert_done().out.contains(sentence), "{sentence:?} in {words:?}");
    }

    let _agent = Agent::start(&place, &origin, &["--site", "http://blog.localhost"]);
    let told = place.say(&["lines", "--json"]).assert_done().json();
    assert_eq!((told["schema"].as_str(), &told["running"]), (Some("overspill.lines/1"), &true.into()));
    let running = line(&place, "lines", &baker);
    assert_eq!(running["busy_beside_millionths"], 500_000, "nothing is known yet");
    for field in ["balance_micro", "limit_given_micro", "granted_micro", "locks", "breaches", "seq"] {
        assert_eq!(running[field], with_baker[field], "{field}");
    }
    let words = place.say(&["lines"]);
    assert!(words.assert_done().out.contains("all 2 partners are busy too with a probability of 25.0 %, by 0 windows"), "{words:?}");
}

#[test]
fn a_statement_tells_what_clearing_moved_and_how_lines_stand() {
    let place = Place::new();
    let village = Village::found(&place).trade();
    let (baker, miller) = (site(&village.baker.site()), site(&village.miller.site()));
    village.note(miller.parse().unwrap(), Note::WeDispute("Too dear.".into())).write(&place);
    let told = place.say(&["statement", "--json"]).assert_done().json();
    assert_eq!((&told["balance_micro"], &told["moved_micro"]), (&(-500_000).into(), &1_500_000.into()), "as before the clearing");
    assert_eq!((&told["cleared_of_ours_micro"], &told["cleared_of_theirs_micro"]), (&250_000.into(), &250_000.into()));
    let with_baker = line(&place, "statement", &baker);
    assert_eq!(
        (&with_baker["balance_micro"], &with_baker["spent_micro"], &with_baker["earned_micro"]),
        (&(-750_000).into(), &1_000_000.into(), &0.into())
    );
    assert_eq!((&with_baker["condition"], &line(&place, "statement", &miller)["condition"]), (&"co-signed".into(), &"disputed".into()));
    let words = place.say(&["statement"]);
    for sentence in [
        format!(
            "0.25 credits in a circle of 3 (round {}): we owe {} less, and {} owes us less\n",
            &told["cleared"][0]["round"].as_str().unwrap()[..16],
            &baker[..8],
            &miller[..8]
        ),
        "cleared in all: 0.25 credits that we owed, less 0.25 credits that we were owed: 0.000000\n".to_owned(),
        format!("we dispute the line with {}: no new lease until ", &miller[..8]),
        "balance of all lines: -0.500000 (positive: the mesh owes this site)\n".to_owned(),
    ] {
        assert!(words.assert_done().out.contains(&sentence), "{sentence:?} in {words:?}");
    }
}

#[test]
fn a_statement_tells_what_demurrage_took() {
    let place = Place::new();
    let village = Village::found(&place).fade();
    let baker = site(&village.baker.site());
    village.write(&place);
    let told = place.say(&["statement", "--json"]).assert_done().json();
    assert_eq!((&told["balance_micro"], &told["moved_micro"]), (&(-495_000).into(), &1_500_000.into()));
    assert_eq!((&told["faded_of_ours_micro"], &told["faded_of_theirs_micro"]), (&10_000.into(), &5_000.into()));
    assert_eq!(line(&place, "statement", &baker)["faded_of_ours_micro"], 10_000);
    let words = place.say(&["statement"]);
    let sentence = "demurrage in all: 0.01 credits that we owed, and 0.005 credits that we were owed\n";
    assert!(words.assert_done().out.contains(sentence), "{words:?}");
    place.say(&["ledger", "verify"]).assert_done();
}

#[test]
fn members_are_told_as_a_tree_with_who_is_gone() {
    let (place, origin) = (Place::new(), Origin::start("the blog"));
    place.say(&["members"]).assert_failed(1, "ledger");
    let village = Village::found(&place);
    let names = [&village.baker, &village.miller, &village.weaver].map(|key| site(&key.site()));
    let [baker, miller, weaver] = names.each_ref().map(String::as_str);
    village.write(&place);
    let told = place.say(&["members", "--json"]).assert_done().json();
    assert_eq!((told["schema"].as_str(), told["mesh"].as_str()), (Some("overspill.members/1"), Some("village")));
    let member = |name: &str| told["members"].as_array().unwrap().iter().find(|member| member["site"] == name).unwrap();
    assert_eq!((&told["members"][0]["sponsor"], &told["members"][0]["this_site"]), (&().into(), &true.into()), "the founder");
    assert_eq!((&member(weaver)["sponsor"], &member(weaver)["depth"]), (&miller.into(), &2.into()));
    assert_eq!((&member(weaver)["ended"]["how"], &member(baker)["ended"]), (&"left".into(), &().into()));
    assert_eq!((&member(baker)["canonical"], &member(baker)["standing"]), (&"http://1.example".into(), &"good".into()));
    let words = place.say(&["members"]);
    assert!(words.assert_done().out.starts_with("mesh \"village\": 3 members, 1 gone."), "{words:?}");
    assert!(words.out.contains(&format!("    {}", &weaver[..8])), "below the miller: {words:?}");

    let _agent = Agent::start(&place, &origin, &["--site", "http://blog.localhost"]);
    assert_eq!(place.say(&["members", "--json"]).assert_done().json(), told, "the agent says what its ledger says");
}

/// An agent whose site others can prove and reach.
fn reachable(place: &Place, origin: &Origin) -> Agent {
    let (visitors, mesh) = (free_address(), free_address());
    let (listen, site) = (visitors.to_string(), format!("http://{visitors}"));
    let mesh = format!("/ip4/127.0.0.1/tcp/{}", mesh.port());
    Agent::start(place, origin, &["--listen", &listen, "--site", &site, "--mesh-listen", &mesh, "--allow-private-proofs", "true"])
}

#[test]
fn a_dispute_reaches_the_other_end_outlives_restarts_and_is_taken_back() {
    let (ours, theirs, origin) = (Place::new(), Place::new(), Origin::start("the blog"));
    let agent = reachable(&ours, &origin);
    let other = reachable(&theirs, &origin);
    ours.say(&["init", "--name", "friends"]).assert_done();
    let token = ours.say(&["invite"]).assert_done().out.clone();
    theirs.say(&["join", token.trim()]).assert_done();
    let [us, them] =
        [&ours, &theirs].map(|place| place.say(&["status", "--json"]).assert_done().json()["site"].as_str().unwrap().to_owned());

    assert_eq!(ours.say(&["dispute", "nobody", "--reason", "x"]).code, 2);
    assert_eq!(ours.say(&["dispute", &them]).code, 2, "a reason is wanted");
    ours.say(&["dispute", &us, "--reason", "x"]).assert_failed(4, "no other member");
    ours.say(&["dispute", &them, "--reason", " "]).assert_failed(4, "write another one");
    ours.say(&["dispute", &them, "--withdraw"]).assert_failed(4, "does not dispute");
    let told = ours.say(&["dispute", &them, "--reason", "Not my visitors.", "--json"]).assert_done().json();
    assert_eq!((told["schema"].as_str(), told["partner"].as_str()), (Some("overspill.dispute/1"), Some(&*them)));
    ours.say(&["dispute", &them, "--reason", "Again."]).assert_failed(4, "take that back first");
    wait_until("the other end has heard of it", || line(&theirs, "lines", &us)["theirs"]["reason"] == "Not my visitors.");
    theirs.say(&["dispute", &us, "--withdraw"]).assert_failed(4, "does not dispute");
    assert_eq!(line(&theirs, "statement", &us)["condition"], "disputed");

    drop((agent, other));
    assert_eq!(line(&ours, "lines", &them)["ours"]["until"], told["until"], "by the ledger");
    ours.say(&["dispute", &them, "--withdraw"]).assert_done();
    assert_eq!((&line(&ours, "lines", &them)["disputed"], &line(&theirs, "lines", &us)["disputed"]), (&false.into(), &true.into()));
    assert!(line(&ours, "lines", &them)["ours"].is_null());
}
