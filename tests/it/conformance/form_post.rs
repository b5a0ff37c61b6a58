use super::{Plan, Way, basic};

/// The modules of the basic plan.
pub(super) const PLAN: Plan =
    Plan { name: "oidcc-client-formpost-basic-certification-test-plan", way: Way::FormPost, modules: basic::PLAN.modules };

#[tokio::test]
async fn the_form_post_plan() {
    PLAN.run().await;
}
