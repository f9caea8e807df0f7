#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# modelguardctl from a shell: what it says, where, and its exit status.
# Usage: test-ctl.sh MODELGUARDCTL BAD-POLICIES-DIRECTORY
set -u
ctl=$1
bad=$2
place=$(mktemp -d) || exit 99
trap 'rm -rf "$place"' EXIT
n=0
failed=0

# expect PROMISE STATUS TEXT COMMAND...: the status, and TEXT somewhere in what is printed
expect() {
	promise=$1 status=$2 text=$3
	shift 3
	n=$((n + 1))
	output=$("$@" 2>&1)
	got=$?
	if [ "$got" -ne "$status" ]; then
		echo "FAILED $promise: status $got, not $status: $output"
		failed=$((failed + 1))
	elif ! printf '%s\n' "$output" | grep -qF -- "$text"; then
		echo "FAILED $promise: no '$text' in: $output"
		failed=$((failed + 1))
	else
		echo "ok $promise"
	fi
}

policy=$place/policy.ini
cat >"$policy" <<'END'
[role reader]
groups = daemon
[role owner]
users = games
[role editor]
groups  = adm
include = reader
[zone share]
path         = /
allow reader = read
allow editor = write
[zone drop]
path        = /drop
allow owner = read, create, write-own
[zone vault]
path = /vault
[zone public]
path           = /vault/public
allow everyone = read
END
chmod 644 "$policy"
explain() { "$ctl" explain -p "$policy" "$@"; }

expect a_sound_policy_is_said_to_be_sound 0 'policy is sound: 3 roles, 4 zones (sha256 ' "$ctl" check "$policy"
expect check_speaks_json 0 '"sound": true' "$ctl" check --json "$policy"
expect a_missing_policy_is_no_answer 5 'cannot open it: No such file' "$ctl" check "$place/none"
expect a_second_file_is_too_many 2 'too many arguments' "$ctl" check a b
expect an_unknown_option_is_refused_safely 2 '\x1b' "$ctl" check "$(printf -- '--\033[31m')"
expect an_unknown_verb_is_refused_safely 2 '\x1b' "$ctl" "$(printf 'x\033[31m')"
expect no_verb_shows_help 2 'Usage: modelguardctl VERB' "$ctl"
expect help_is_asked_for 0 'explain' "$ctl" --help
expect help_of_a_verb 0 '--owner=USER' "$ctl" explain --help
expect help_of_a_verb_by_help 0 '--owner=USER' "$ctl" help explain
expect the_version_is_told 0 'modelguardctl ' "$ctl" --version
expect an_answer_that_is_lost_is_a_failure 5 'cannot write the answer' sh -c "$ctl check $policy >/dev/full"

expect a_group_grants 0 'reader, through the group daemon' explain daemon read /m
expect the_deciding_line_is_shown 0 'policy.ini:10: allow reader = read' explain daemon read /m
expect what_is_not_granted_is_denied 1 'editor             through the group adm' explain daemon write /m
expect a_user_is_granted 0 'owner, as one of its users' explain games create /drop/m
expect a_uid_is_a_user 0 'ALLOWED' explain 1 read /m
expect somebody_elses_is_denied 1 'only on what games owns' explain games write /drop/m
expect ones_own_is_allowed 0 "'write-own' is granted" explain --owner games games write /drop/m
expect an_own_verb_is_about_ones_own 0 'ALLOWED' explain games write-own /drop/m
expect an_own_verb_is_not_a_plain_one 1 'owned by daemon' explain --owner daemon games write /drop/m
expect root_has_no_privilege 1 'none that is granted anything' explain root read /m
expect everyone_is_everybody 0 'everyone, which everybody holds' explain root read /vault/public/m
expect a_way_may_be_walked 0 'leads to the zone public' explain root list /vault
expect a_way_may_not_be_read 1 'an admin would add it' explain root read /vault
expect operations_are_asked_for 1 'DENIED  daemon: chmod /m' explain daemon chmod /m
expect explain_speaks_json 1 '"verb": "write"' explain --json daemon write /m
expect a_mount_point_is_taken_off 0 'daemon: read /m' explain --mount /mnt/x/ daemon read /mnt//x/./m
expect a_sibling_of_the_mount_point_is_not_below 2 'not below the mount point' explain --mount /mnt/x daemon read /mnt/xy
expect dot_dot_is_refused 2 "'..' in the path" explain daemon read /a/../m
expect a_relative_path_is_refused 2 "must begin with '/'" explain daemon read m
expect an_unknown_user_is_told_apart 4 'no such user' explain no-such-user read /m
expect an_unknown_word_is_refused 2 'no such verb or operation' explain daemon fly /m
expect names_are_shown_safely 0 '/m\x1b[31m' explain daemon read "$(printf '/m\033[31m')"
printf 'x\n' >"$place/broken.ini"
chmod 644 "$place/broken.ini"
expect a_refused_policy_answers_nothing 3 "broken.ini:1: 'x' is neither" "$ctl" explain -p "$place/broken.ini" daemon read /m

expect who_shows_people_and_lines 0 'reader policy.ini:10' "$ctl" who -p "$policy" /m
expect who_can_names_only_those 1 'Nobody may delete here' "$ctl" who --can=delete -p "$policy" /m
expect who_knows_the_verbs 2 "no such verb: 'fly'" "$ctl" who --can fly -p "$policy" /m
expect who_speaks_json 0 '"name": "daemon"' "$ctl" who --json -p "$policy" /m
expect who_shows_everyone 0 'everyone policy.ini:19' "$ctl" who -p "$policy" /vault/public
expect user_goes_zone_by_zone 0 'list, read, create, write-own, by owner policy.ini:14' "$ctl" user -p "$policy" games
expect user_knows_no_such_user 4 'no such user' "$ctl" user -p "$policy" no-such-user
sed 's/^allow owner = read/&, delete/' "$policy" >"$place/wider.ini"
chmod 644 "$place/wider.ini"
expect diff_names_the_people 0 '+ delete /drop: 1 person' "$ctl" diff "$policy" "$place/wider.ini"
expect a_wider_policy_may_fail 1 'games' "$ctl" diff --fail-on widen "$policy" "$place/wider.ini"
expect a_narrower_policy_does_not 0 '- delete /drop' "$ctl" diff --fail-on widen "$place/wider.ini" "$policy"
expect diff_of_the_same_is_nothing 0 'No effect' "$ctl" diff "$policy" "$policy"
expect diff_needs_sound_policies 3 "broken.ini:1: 'x' is neither" "$ctl" diff "$policy" "$place/broken.ini"
expect edit_leaves_what_is_not_edited 0 'policy.ini: unchanged' env VISUAL=true "$ctl" edit "$policy"
expect edit_says_that_the_editor_failed 5 'exit status 1' env VISUAL=false "$ctl" edit "$policy"
expect nothing_is_left_beside_the_policy 1 '' sh -c "ls -A '$place' | grep '^[.]'"

# check says of each bad policy what the corpus expects, and exits with 1.
cp "$bad"/*.ini "$place" && chmod 644 "$place"/*.ini
for expected in "$bad"/*.expected; do
	name=$(basename "$expected" .expected)
	expect "$name" 1 "$(cat "$expected")" sh -c "cd '$place' && '$(realpath "$ctl")' check '$name.ini'"
done

echo "$n promises, $failed broken"
[ "$failed" -eq 0 ]
