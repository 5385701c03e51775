"""The scripts that ``kface completion`` prints: for each shell a function that calls ``kface __complete``."""

from typing import Dict

BASH = r"""# kface: completion for bash 4.4 and newer:  eval "$(kface completion bash)"
_kface() {
    local line=${COMP_LINE:0:COMP_POINT} words reply candidate prefix value
    # bash splits words at = and :, which kface's arguments hold; read takes a backslash before a blank as the shell does.
    # shellcheck disable=SC2162
    read -a words <<<"$line"
    [[ $line == *[[:space:]] && $line != *[\\][[:space:]] ]] && words+=("")
    local current=${words[-1]}
    mapfile -t reply < <("${words[0]}" __complete "${words[@]:1}" 2>/dev/null)
    # What readline keeps of the word, and what it replaces.
    prefix=""
    if [[ $current == *[=:]* && $COMP_WORDBREAKS == *[=:]* ]]; then
        prefix=${current%"${current##*[=:]}"}
    fi
    COMPREPLY=()
    for candidate in "${reply[@]:1}"; do
        candidate=${candidate%%$'\t'*}
        [[ $candidate == *[=.] ]] && compopt -o nospace
        COMPREPLY+=("${candidate#"$prefix"}")
    done
    if [[ ${reply[0]} == files ]]; then
        compopt -o filenames
        value=$current
        [[ $current == [a-z]*=* ]] && value=${current#*=}
        prefix=${prefix#"${current%"$value"}"}
        while IFS= read -r candidate; do
            COMPREPLY+=("${candidate#"$prefix"}")
        done < <(compgen -f -- "$value")
    fi
}
complete -F _kface kface
"""

ZSH = r"""#compdef kface
# kface: completion for zsh:  eval "$(kface completion zsh)"
_kface() {
    local -a reply
    local line candidate
    reply=("${(@f)$("${(Q)words[1]}" __complete "${(@Q)words[2,CURRENT]}" 2>/dev/null)}")
    for line in "${(@)reply[2,-1]}"; do
        candidate=${line%%$'\t'*}
        if [[ $candidate == *[=.] ]]; then
            compadd -Q -S '' -- "$candidate"
        else
            compadd -Q -- "$candidate"
        fi
    done
    if [[ $reply[1] == files ]]; then
        [[ $words[CURRENT] == [a-z]*=* ]] && compset -P 1 '*='
        _files
    fi
}
(( $+functions[compdef] )) || { autoload -Uz compinit && compinit }
compdef _kface kface
"""

FISH = r"""# kface: completion for fish:  kface completion fish | source
function __kface_complete
    set -l words (commandline -opc) (commandline -ct)
    set -l reply ($words[1] __complete $words[2..-1] 2>/dev/null)
    if set -q reply[2]
        printf '%s\n' $reply[2..-1]
    end
    if test "$reply[1]" = files
        set -l key (string match -r '^[a-z][^=]*=' -- $words[-1])
        set -l value (string replace -r '^[a-z][^=]*=' '' -- $words[-1])
        for found in (__fish_complete_path "$value")
            printf '%s%s\n' "$key" "$found"
        end
    end
end
complete -c kface -f -a '(__kface_complete)'
"""

SCRIPTS: Dict[str, str] = {"bash": BASH, "fish": FISH, "zsh": ZSH}
