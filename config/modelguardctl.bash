# SPDX-License-Identifier: Apache-2.0
# Completion of modelguardctl(8) for bash; installed as
# /usr/share/bash-completion/completions/modelguardctl.

_modelguardctl()
{
	local word=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}
	local verbs="check edit diff who user explain status reload log history report
		replay inspect grant grants revoke approve unapprove approvals promote verify lineage manifest
		hold release doctor help"
	local words="list read create write delete write-own
		delete-own promote approve admin lookup readdir open-read open-write
		open-read-write truncate mkdir unlink rmdir rename-from rename-to rename-over
		move-out chmod chown utimes setxattr"
	local i position=0

	COMPREPLY=()
	if [ "$COMP_CWORD" -eq 1 ]; then
		mapfile -t COMPREPLY < <(compgen -W "$verbs --help --version" -- "$word")
		return
	fi
	case $previous in
	--for)
		mapfile -t COMPREPLY < <(compgen -W "1h 2h 4h 8h 1d" -- "$word")
		return
		;;
	-p | --policy | --old | --input | --html | --signature | --svg | --state)
		mapfile -t COMPREPLY < <(compgen -f -- "$word")
		return
		;;
	--owner | --user)
		mapfile -t COMPREPLY < <(compgen -u -- "$word")
		return
		;;
	--can)
		mapfile -t COMPREPLY < <(compgen -W "list read create write delete write-own
			delete-own promote approve admin" -- "$word")
		return
		;;
	--fail-on)
		words=widen
		[ "${COMP_WORDS[1]}" = replay ] && words="widen narrow untold"
		mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
		return
		;;
	--mount | --root)
		mapfile -t COMPREPLY < <(compgen -d -- "$word")
		return
		;;
	--path)
		mapfile -t COMPREPLY < <(compgen -f -- "$word")
		return
		;;
	--since | --until)
		mapfile -t COMPREPLY < <(compgen -W "now today yesterday 1h 1d 7d" -- "$word")
		return
		;;
	--op)
		words="open-read open-write open-read-write write truncate create mkdir symlink
			link unlink rmdir rename chmod chown setxattr start end policy-load
			policy-reload gap grant grant-end grant-revoke verify keep"
		mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
		return
		;;
	--role | --zone | --reason | --record | --note) return ;;
	--pid)
		mapfile -t COMPREPLY < <(compgen -W "$(cd /proc && echo [0-9]*)" -- "$word")
		return
		;;
	esac
	for ((i = 2; i < COMP_CWORD; i++)); do
		case ${COMP_WORDS[i]} in
		-p | --policy | --old | --owner | --mount | --can | --fail-on | --input | --html | --signature | --svg | --state | \
			--user | \
			--path | --since | --until | --op | --role | --zone | --reason | --for | --root | --pid | \
			--record | --note) ((i++)) ;;
		-*) ;;
		*) ((position++)) ;;
		esac
	done
	case ${COMP_WORDS[1]},$word,$position in
	check,-*) words="--json --help" ;;
	edit,-*) words="--help" ;;
	diff,-*) words="--fail-on --json --help" ;;
	who,-*) words="--policy --can --mount --json --help" ;;
	user,-*) words="--policy --json --help" ;;
	explain,-*)
		words="--policy --owner --mount --pid --record --since --until --input --json
			--help"
		;;
	log,*)
		words="--user --role --path --zone --op --denied --since --until --follow --summary
			--json --input --help"
		;;
	history,-*) words="--since --until --json --input --help" ;;
	replay,-*) words="--since --until --old --mount --fail-on --json --input --help" ;;
	report,*) words="--html --since --until --input --help" ;;
	inspect,-*) words="--json --help" ;;
	approve,-* | unapprove,-*) words="--note --help" ;;
	approvals,-*) words="--json --help" ;;
	promote,-*) words="--keep --help" ;;
	verify,-*) words="--all --state --keep --json --help" ;;
	lineage,-*) words="--svg --json --input --help" ;;
	manifest,-*) words="--pae --envelope --signature --help" ;;
	hold,-* | release,-*) words="--reason --help" ;;
	doctor,-*) words="--policy --input --root --json --help" ;;
	grant,-*) words="--policy --for --reason --help" ;;
	grants,*) words="--policy --json --help" ;;
	revoke,-*) words="--policy --help" ;;
	status,-*) words="--json --help" ;;
	reload,-*) words="--json --help" ;;
	status,* | reload,* | doctor,*)
		mapfile -t COMPREPLY < <(compgen -d -- "$word")
		return
		;;
	check,* | edit,* | diff,* | inspect,* | manifest,*,0 | lineage,*,0 | verify,* | hold,* | release,* | approve,* | unapprove,* | \
		approvals,* | promote,* | history,*,0 | replay,*,0)
		mapfile -t COMPREPLY < <(compgen -f -- "$word")
		return
		;;
	explain,*,0 | user,*,0 | grant,*,0 | revoke,*,0)
		mapfile -t COMPREPLY < <(compgen -u -- "$word")
		return
		;;
	explain,*,1) ;;
	help,*) words=$verbs ;;
	*) return ;;
	esac
	mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
}

complete -o filenames -F _modelguardctl modelguardctl
