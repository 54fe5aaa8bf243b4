//! The scenarios that come along, compiled in, so that they can be run by their names from anywhere.

macro_rules! shipped {
    ($($name:literal,)*) => {
        /// Names and texts, in the order of their names.
        pub const SHIPPED: &[(&str, &str)] = &[$(($name, include_str!(concat!("../../scenarios/", $name, ".scenario"))),)*];
    };
}

shipped! {
    "a_lying_disk_is_found_out",
    "a_new_key_goes_on",
    "a_site_joins_and_helps",
    "an_evening_with_a_flood",
    "an_objection_stops_a_motion",
    "debts_in_a_circle_are_cleared",
    "disk_full",
    "disk_is_lost_and_recovered",
    "everyone_struck_at_once",
    "forger_is_shunned",
    "forker_is_convicted",
    "founder_removed",
    "helper_dies",
    "liar_is_caught",
    "member_leaves_in_mid_crowd",
    "old_copy_is_put_back",
    "owner_dies_in_its_crowd",
    "partition_heals",
    "partners_carry_a_crowd",
    "preview_stampede",
    "rules_change_by_consent",
    "slow_and_lossy",
    "tamperer_is_audited",
    "two_sites_one_crowd",
    "who_is_refused_comes_again",
}

/// The text of the scenario of that name.
pub fn named(name: &str) -> Option<&'static str> {
    SHIPPED.iter().find(|(shipped, _)| *shipped == name).map(|(_, text)| *text)
}
