use super::*;
use crate::testing::{Installation, signed_in};
use crate::{GrantRequest, Service};

async fn three_points(installation: &Installation) -> std::sync::Arc<Service> {
    let service = installation.service().await;
    for byte in 1..=3 {
        installation.point(&service, "web-1", &format!("p{byte}"), byte).await;
    }
    service
}

async fn left(service: &Service) -> Vec<String> {
    let points = Points::new(service.vault.clone()).of(&"web-1".parse().unwrap()).await.unwrap();
    points.iter().map(|point| point.point.to_string()).collect()
}

fn keep(count: usize) -> Rules {
    Rules { keep_last: Some(count), ..Rules::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_newest_stay_and_the_rest_goes_with_its_files() {
    let installation = Installation::new();
    let service = three_points(&installation).await;
    let dry = prune(&service.vault, Rules { dry_run: true, ..keep(1) }).await.unwrap();
    assert_eq!((dry.points.len(), left(&service).await.len()), (2, 3));
    let pruned = prune(&service.vault, keep(1)).await.unwrap();
    assert_eq!(pruned.points, dry.points);
    assert_eq!(left(&service).await, ["p3"]);
    let listed = service.vault.list("points").await.unwrap();
    assert_eq!(listed.len(), 2, "{listed:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_point_with_a_live_grant_stays_until_the_grant_ends() {
    let installation = Installation::new();
    let service = three_points(&installation).await;
    let ann = signed_in(&service, "ann").await;
    let (vm, point) = ("web-1".parse().unwrap(), "p1".parse().unwrap());
    let granted = service.grant(&ann, "x", GrantRequest { vm, point, lifetime: None }).await.unwrap();
    let pruned = prune(&service.vault, keep(0)).await.unwrap();
    assert_eq!((pruned.points.len(), pruned.in_use.len()), (2, 1));
    assert_eq!(left(&service).await, ["p1"]);
    assert!(service.exports().tend().await.is_ok());
    service.revoke(&ann, "x", &granted.grant.id).await.unwrap();
    assert_eq!(prune(&service.vault, keep(0)).await.unwrap().points.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn both_rules_have_to_let_a_point_go_and_without_a_rule_none_goes() {
    let installation = Installation::new();
    let service = three_points(&installation).await;
    assert!(prune(&service.vault, Rules::default()).await.unwrap().points.is_empty());
    let before = Rules { older_than: Some(UnixTime::from_seconds(1_700_000_000 + 2 * 3600)), ..Rules::default() };
    let both = Rules { keep_last: Some(3), ..before };
    assert!(prune(&service.vault, both).await.unwrap().points.is_empty());
    assert_eq!(prune(&service.vault, before).await.unwrap().points.len(), 1);
    assert_eq!(left(&service).await, ["p3", "p2"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn files_of_a_killed_import_go_once_they_are_old_and_others_stay() {
    let installation = Installation::new();
    let service = three_points(&installation).await;
    let place = installation.path().join("vault/points/web-1/killed");
    std::fs::create_dir(&place).unwrap();
    for (name, age) in [("0-old.img", LEFT_OVER_AFTER * 2), ("1-new.img", Duration::ZERO)] {
        let file = std::fs::File::create(place.join(name)).unwrap();
        file.set_modified(std::time::SystemTime::now() - age).unwrap();
    }
    assert_eq!(prune(&service.vault, Rules::default()).await.unwrap().left_over, 0, "somebody still writes there");
    std::fs::remove_file(place.join("1-new.img")).unwrap();
    assert_eq!(prune(&service.vault, Rules::default()).await.unwrap().left_over, 1);
    assert_eq!(left(&service).await.len(), 3);
}
