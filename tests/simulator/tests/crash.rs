//! A few of the points at which devices and spaces can die in the scenarios; the binary plays every one, or every n-th.

use ebbtide_simulator::crash;

/// Leaves about a hundred points.
const STRIDE: usize = 601;

#[test]
fn sm04_after_a_crash_at_any_point_everything_goes_on_as_if_nothing_had_happened() {
    let report = crash::run(STRIDE, 0, 1);
    assert_eq!(report.failures, Vec::<String>::new());
    assert!(report.scenarios >= 30 && report.passed >= 50, "{} scenarios, {} points", report.scenarios, report.passed);
}
