use super::*;
use crate::units::Permille;

fn keys() -> (Key, Key) {
    let (one, other) = (Key::from_seed([1; 32]), Key::from_seed([2; 32]));
    if one.site() < other.site() { (one, other) } else { (other, one) }
}

fn charter() -> Charter {
    Charter { limit_growth: Permille(500), ..Charter::default() }
}

fn ends() -> (Key, Key, Line, Line) {
    let (low, high) = keys();
    let key = LineKey::between(MeshId(Digest::ZERO), high.site(), low.site());
    let ours = Line::new(key, low.site(), &charter()).unwrap();
    let theirs = Line::new(key, high.site(), &charter()).unwrap();
    (low, high, ours, theirs)
}

#[test]
fn service_is_proposed_countersigned_and_agreed() {
    let (low, high, mut ours, mut theirs) = ends();
    let moves = Moves { earner: low.site(), amount: Credit(1_000) };
    let proposal = ours.propose(&low, moves, None, &charter()).unwrap();
    assert_eq!(theirs.examine(&proposal, &charter()), Ok(Examined::Next(moves)));
    let receipt = theirs.countersign(&high, &proposal, &charter()).unwrap();
    let Ok(Concluded::New(concluded)) = ours.conclude(receipt.state.seq, receipt.high_sig) else { panic!("new") };
    assert_eq!(*concluded, receipt);
    assert_eq!((ours.balance(), theirs.balance()), (Credit(1_000), Credit(-1_000)));
    assert!(receipt.is_good(ours.key()));
    assert_eq!(theirs.limit_given(), Credit(2_000_500));
}
