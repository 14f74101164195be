//! What every back end must do. A back end is done when it passes, nothing else.
//!
//! In a test crate of the back end: `store::conformance!(lab)`, for one that keeps its content
//! `store::conformance_durable!(lab)`, and for one that several instances share `store::conformance_shared!(lab)`,
//! where `lab` is an `async fn() -> Lab`. Each case becomes a test.

// The cases are for the macros; their names say what they are about.
#[doc(hidden)]
pub mod counters;
#[doc(hidden)]
pub mod durability;
#[doc(hidden)]
pub mod expiry;
#[doc(hidden)]
pub mod instances;
#[doc(hidden)]
pub mod leadership;
#[doc(hidden)]
pub mod listing;
#[doc(hidden)]
pub mod races;
#[doc(hidden)]
pub mod relations;
#[doc(hidden)]
pub mod replacing;
#[doc(hidden)]
pub mod transactions;
#[doc(hidden)]
pub mod watching;
#[doc(hidden)]
pub mod writing;

mod lab;

pub use lab::{Lab, draft, key};

/// A test for every case, against the stores of `$lab`, an `async fn() -> Lab`.
#[macro_export]
macro_rules! conformance {
    ($lab:path) => {
        $crate::conformance_tests! { $lab;
            writing: [
                create_then_get,
                create_of_taken_key_is_refused,
                put_creates,
                put_replaces_and_counts_versions,
                put_of_expected_version_replaces,
                put_of_other_version_conflicts,
                put_of_expected_version_conflicts_when_absent,
                put_of_identical_draft_changes_nothing,
                put_of_identical_draft_checks_version,
                delete_removes,
                delete_of_absent_is_refused,
                delete_of_other_version_conflicts,
                recreated_record_starts_at_version_one,
                revision_grows_by_one,
                keys_differ_by_each_part,
                body_is_kept_to_the_byte,
                large_body_is_kept,
                oversized_record_is_refused,
                weird_names_are_kept,
                every_field_is_kept,
            ],
            transactions: [
                steps_share_one_revision,
                changes_are_in_order,
                steps_see_earlier_steps,
                empty_transaction_changes_nothing,
                failed_step_undoes_all,
                failed_transaction_frees_what_it_took,
                failed_transaction_restores_what_it_deleted,
                created_and_deleted_leaves_nothing,
                too_many_steps_are_refused,
            ],
            relations: [
                unique_key_is_exclusive,
                every_unique_key_is_checked,
                unique_key_is_per_collection_and_field,
                unique_key_of_itself_is_free,
                unique_key_is_free_after_delete,
                unique_key_is_free_after_update,
                unique_key_moves_within_transaction,
                record_is_found_by_its_unique_key,
                missing_parent_is_refused,
                missing_reference_is_refused,
                named_records_may_come_earlier_in_transaction,
                delete_cascades_to_all_levels,
                any_parent_takes_its_child,
                cascade_spares_moved_child,
                cascade_follows_child_added_in_transaction,
                cascade_ends_in_a_circle,
                referred_record_is_in_use,
                reference_ends_with_update,
                reference_ends_with_delete,
                cascade_stops_at_referred_descendant,
                reference_within_cascade_does_not_stop_it,
                deleted_record_cannot_be_named_later_in_transaction,
            ],
            replacing: [
                replace_is_a_difference,
                replace_by_the_same_changes_nothing,
                replace_leaves_other_collections,
                replaced_records_may_name_each_other_in_any_order,
                replace_cascades_to_other_collections,
                replaced_records_may_swap_unique_keys,
                replace_by_two_of_one_key_is_refused,
                an_amendment_comes_to_the_same_as_all_content,
                an_amendment_of_what_has_changed_is_refused,
                an_amendment_leaves_nothing_without_what_it_names,
            ],
            listing: [
                list_is_sorted,
                list_is_of_one_collection,
                list_of_one_scope,
                name_filter_contains,
                name_filter_is_literal,
                labels_filter_needs_all,
                labels_filter_needs_one_of_any,
                cursor_goes_on_behind_a_key,
                uncounted_list_is_the_same_but_for_the_total,
                list_of_what_names_a_record,
                paging_covers_everything_once,
                total_counts_matches,
                offset_beyond_end_is_empty,
                limit_zero_is_all,
                unknown_collection_is_empty,
            ],
            expiry: [
                expired_record_is_gone,
                expired_record_frees_its_keys,
                expiry_is_published,
                expiry_is_a_transaction,
                expiry_takes_children,
                expiry_ignores_references,
                expiry_can_be_put_off,
            ],
            watching: [
                watch_starts_with_snapshot,
                snapshot_is_sorted_and_complete,
                each_commit_is_seen_once_in_order,
                cascade_is_seen,
                nothing_is_seen_of_what_changed_nothing,
                watchers_see_the_same,
                snapshot_and_changes_have_no_gap,
                slow_watcher_starts_over,
                abandoned_wait_loses_nothing,
                dropped_watch_is_forgotten,
                watch_ends_with_store,
            ],
            races: [
                increments_are_not_lost,
                one_of_many_creates_wins,
                one_of_many_owners_wins,
                readers_see_whole_transactions,
                commit_is_seen_by_its_caller,
            ],
            counters: [
                counter_begins_at_zero_and_counts,
                counts_come_in_the_order_of_increments,
                counter_ends_and_begins_again,
                keys_of_counters_may_be_weird,
                counter_does_not_overflow,
                no_increment_is_lost,
            ],
            leadership: [
                only_instance_has_every_role,
                role_that_was_given_up_can_be_had_again,
                abandoned_candidate_does_not_get_it,
            ],
        }
    };
}

/// As [`conformance!`], the cases about what outlives the process.
#[macro_export]
macro_rules! conformance_durable {
    ($lab:path) => {
        $crate::conformance_tests! { $lab;
            durability: [
                content_is_kept,
                revision_goes_on,
                versions_go_on,
                relations_are_kept,
                record_expires_while_closed,
                deleted_stays_deleted,
            ],
        }
    };
}

/// As [`conformance!`], the cases about several instances.
#[macro_export]
macro_rules! conformance_shared {
    ($lab:path) => {
        $crate::conformance_tests! { $lab;
            instances: [
                commit_of_one_is_seen_by_the_other,
                later_instance_has_what_was_before,
                what_one_has_committed_counts_for_the_other_at_once,
                instances_agree_on_who_was_first,
                all_see_all_in_the_same_order,
                increments_of_two_instances_are_not_lost,
                expired_record_goes_once,
                counters_are_of_all_instances,
                role_goes_from_one_to_the_other,
                closed_instance_has_no_role,
            ],
        }
    };
}

/// One test a case.
#[doc(hidden)]
#[macro_export]
macro_rules! conformance_tests {
    ($lab:path; $($module:ident: [$($case:ident,)*],)*) => {
        $($(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                $crate::conformance::$module::$case($lab().await).await;
            }
        )*)*

        /// Fails when a case is written but not listed.
        #[test]
        fn every_case_is_listed() {
            $(
                let listed = [$(stringify!($case)),*];
                let written = $crate::conformance::cases_of(stringify!($module));
                assert_eq!(written, listed, "cases of {}", stringify!($module));
            )*
        }
    };
}

/// The names of the cases in a module's source.
#[doc(hidden)]
pub fn cases_of(module: &str) -> Vec<&'static str> {
    let source = match module {
        "counters" => include_str!("conformance/counters.rs"),
        "durability" => include_str!("conformance/durability.rs"),
        "expiry" => include_str!("conformance/expiry.rs"),
        "instances" => include_str!("conformance/instances.rs"),
        "leadership" => include_str!("conformance/leadership.rs"),
        "listing" => include_str!("conformance/listing.rs"),
        "races" => include_str!("conformance/races.rs"),
        "relations" => include_str!("conformance/relations.rs"),
        "replacing" => include_str!("conformance/replacing.rs"),
        "transactions" => include_str!("conformance/transactions.rs"),
        "watching" => include_str!("conformance/watching.rs"),
        "writing" => include_str!("conformance/writing.rs"),
        other => panic!("there is no module {other}"),
    };
    let cases = source.lines().filter_map(|line| line.strip_prefix("pub async fn "));
    cases.filter_map(|rest| rest.split('(').next()).collect()
}
