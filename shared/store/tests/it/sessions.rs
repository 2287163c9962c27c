use mealticket_domain::{MemberNo, session::IDLE_SECONDS};
use mealticket_store::identities::Presented;
use mealticket_support::World;

const FAMILY: [u8; 16] = [1; 16];

/// Begins a family of sessions now.
async fn begun(world: &World, family: &[u8; 16]) -> MemberNo {
    let member = world.member();
    assert!(world.tables().identities.begin_session(family, member, world.now(), None).await.unwrap());
    member
}

/// Presents a refresh token of this generation. Returns whose family it is, when the generation is accepted.
async fn present(world: &World, generation: u32) -> Option<MemberNo> {
    match world.tables().identities.present_refresh(&FAMILY, generation, world.now()).await.unwrap() {
        Presented::Accepted(family) => Some(family.member),
        Presented::Revoked => None,
    }
}

#[tokio::test]
async fn an_old_generation_is_accepted_for_60_seconds_after_its_successors_first_use_and_revokes_the_family_later() {
    for (seconds, is_accepted) in [(59, true), (60, true), (61, false)] {
        let world = World::new().await;
        let member = begun(&world, &FAMILY).await;
        let again = world.tables().identities.begin_session(&FAMILY, member, world.now(), None);
        assert!(again.await.unwrap(), "the proof may be presented again");
        for generation in [0, 0, 1, 1, 0] {
            assert_eq!(present(&world, generation).await, Some(member), "{generation}");
        }
        assert!(
            !world.tables().identities.begin_session(&FAMILY, member, world.now(), None).await.unwrap(),
            "the proof is spent"
        );
        world.pass_seconds(seconds);
        assert_eq!(present(&world, 0).await.is_some(), is_accepted, "{seconds}");
        assert_eq!(present(&world, 1).await.is_some(), is_accepted, "its successor was not used yet");
        assert_eq!(present(&world, 2).await.is_some(), is_accepted);
    }
}

#[tokio::test]
async fn a_generation_that_comes_again_does_not_prolong_the_family() {
    let world = World::new().await;
    begun(&world, &FAMILY).await;
    present(&world, 0).await.unwrap();
    world.pass_seconds(IDLE_SECONDS - 1);
    present(&world, 0).await.unwrap();
    world.pass_seconds(1);
    assert_eq!(present(&world, 0).await, None);
}

#[tokio::test]
async fn a_family_ends_180_days_after_it_began_however_often_it_is_used() {
    let world = World::new().await;
    begun(&world, &FAMILY).await;
    for generation in 0..6 {
        assert!(present(&world, generation).await.is_some(), "{generation}");
        world.pass_seconds(30 * 86_400 - i64::from(generation == 5));
    }
    assert!(present(&world, 5).await.is_some(), "a second before its end");
    world.pass_seconds(1);
    assert_eq!(present(&world, 6).await, None);
    assert_eq!(present(&world, 5).await, None);
}

/// A family of an older release has no `began_at`. A sign-out of all sessions ends it. Otherwise it ends 180 days after
/// this release first saw it.
#[tokio::test]
async fn a_family_that_does_not_know_when_it_began_never_learns_it_and_ends_all_the_same() {
    let world = World::new().await;
    begun(&world, &FAMILY).await;
    let key: String = FAMILY.iter().map(|byte| format!("{byte:02x}")).collect();
    let older = serde_json::json!({ "TableName": world.deps.stack.config.tables.identities,
        "Key": { "pk": { "S": format!("SESSION#{key}") }, "sk": { "S": "FAMILY" } },
        "ConditionExpression": "attribute_exists(began_at)", "UpdateExpression": "REMOVE began_at" });
    world.engine.database().update_item(serde_json::from_value(older).unwrap()).unwrap();
    let signed_out_at = world.now();
    world.pass_seconds(10);
    for generation in 0..2 {
        let presented = world.tables().identities.present_refresh(&FAMILY, generation, world.now()).await.unwrap();
        let Presented::Accepted(family) = presented else { panic!("{generation}") };
        assert!(family.is_ended_by(Some(signed_out_at)), "it may have begun before that");
    }
    for generation in 2..7 {
        world.pass_seconds(30 * 86_400);
        assert!(present(&world, generation).await.is_some(), "{generation}");
    }
    world.pass_seconds(30 * 86_400 - 1);
    assert!(present(&world, 7).await.is_some(), "a second before its end");
    world.pass_seconds(1);
    assert_eq!(present(&world, 8).await, None);
    assert_eq!(present(&world, 7).await, None);
}

#[tokio::test]
async fn a_session_ends_by_sign_out_by_time_and_for_strangers() {
    let world = World::new().await;
    begun(&world, &FAMILY).await;
    world.tables().identities.revoke_session(&FAMILY).await.unwrap();
    world.tables().identities.revoke_session(&FAMILY).await.unwrap();
    world.tables().identities.revoke_session(&[3; 16]).await.unwrap();
    assert_eq!(present(&world, 0).await, None);
    assert_eq!(world.tables().identities.present_refresh(&[3; 16], 0, world.now()).await.unwrap(), Presented::Revoked);
    begun(&world, &[2; 16]).await;
    world.pass_seconds(IDLE_SECONDS);
    assert_eq!(world.tables().identities.present_refresh(&[2; 16], 0, world.now()).await.unwrap(), Presented::Revoked);
}

#[tokio::test]
async fn two_holders_of_one_session_cannot_both_go_on() {
    let world = World::new().await;
    begun(&world, &FAMILY).await;
    assert!(present(&world, 0).await.is_some(), "the owner");
    assert!(present(&world, 0).await.is_some(), "the thief, at the same time");
    assert!(present(&world, 1).await.is_some(), "one goes on");
    world.pass_seconds(900);
    assert!(present(&world, 2).await.is_some());
    world.pass_seconds(900);
    assert_eq!(present(&world, 1).await, None, "the other betrays both");
    assert_eq!(present(&world, 3).await, None);
}

/// Two tabs of one app refresh at the same instant, in different environments. Each has the newest token.
#[tokio::test]
async fn two_tabs_that_refresh_at_once_both_go_on() {
    let world = std::sync::Arc::new(World::new().await);
    begun(&world, &FAMILY).await;
    for generation in 0..20 {
        let tabs = (0..4).map(|_| {
            let world = world.clone();
            tokio::spawn(async move {
                let tables = world.another_environment();
                tables.identities.present_refresh(&FAMILY, generation, world.now()).await.unwrap()
            })
        });
        for tab in tabs.collect::<Vec<_>>() {
            assert!(matches!(tab.await.unwrap(), Presented::Accepted(_)), "{generation}");
        }
    }
}
