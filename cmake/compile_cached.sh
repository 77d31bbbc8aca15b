#!/usr/bin/env bash
# Runs the compiler through ccache so that one clone's objects serve another: a fresh clone, as CI
# makes one for each run, then compiles next to nothing.
#
#   compile_cached.sh SOURCE_DIR CCACHE COMPILER ARGUMENT...
#
# Two things stand in the way of that, both from precompiled headers:
# - CMake names the header by its absolute path behind -Xclang, where ccache does not look for paths.
#   It is made relative to the build folder, in which the compiler runs, wherever it occurs.
# - A .pch holds absolute paths, so its bytes differ between clones. ccache takes a .sum file beside
#   it as its identity instead; ours is the hash of all that went into the header.
set -euo pipefail

source_dir=$1 ccache=$2
shift 2

build_dir=$PWD
arguments=()
output='' dependencies='' previous=''
for argument in "$@"; do
  [[ $previous == -Xclang ]] && argument=${argument#"$build_dir/"}
  [[ $previous == -o ]] && output=$argument
  [[ $previous == -MF ]] && dependencies=$argument
  arguments+=("$argument")
  previous=$argument
done

if [[ $output == *.pch ]]; then
  "${arguments[@]}"
  {
    "${arguments[0]}" --version
    printf '%s\n' "${arguments[@]//"$source_dir"/}"
    # "target: file \ file \ ...": the files' contents, in their order
    sed -e '1s/^[^:]*://' -e 's/\\$//' "$dependencies" | tr -s ' ' '\n' | grep -v '^$' | xargs cat
  } | sha256sum >"$output.sum"
  exit
fi

export CCACHE_BASEDIR=$source_dir CCACHE_NOHASHDIR=1 CCACHE_PCH_EXTSUM=1
export CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime
exec "$ccache" "${arguments[@]}"
