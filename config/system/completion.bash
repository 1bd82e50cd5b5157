# bash completion for zabd and zabctl

_zabline_options() { # PROGRAM: its long options, from its own help
  "$1" --help 2>/dev/null | grep -o -- '--[a-z][a-z-]*' | sort -u
}

_zabline_configs() { # names below /etc/zabline, and files
  mapfile -t COMPREPLY < <(compgen -f -X '!*.json' -- "$cur"; compgen -d -- "$cur"
    [ -n "$cur" ] || compgen -G '/etc/zabline/*.json')
}

_zabline() {
  local cur=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}
  COMPREPLY=()
  case $previous in
  --config | --check-config | --peer-config) _zabline_configs ;;
  --socket | --acks) mapfile -t COMPREPLY < <(compgen -f -- "$cur") ;;
  --count | --size | --outstanding | --timeout | --from | --cluster) ;;
  *)
    local words
    words=$(_zabline_options "$1")
    case $1 in
    *zabctl) words="$words $("$1" --help 2>/dev/null | sed -n 's/^  \([a-z][a-z-]*\) .*/\1/p')" ;;
    esac
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
    ;;
  esac
}

complete -F _zabline zabd zabctl
