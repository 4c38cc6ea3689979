# Finds what the build needs, for bin/vlm and .ci/run, which read this file with ".". Needs nothing but a POSIX shell and sed.

wanted=25

fail() {
  echo "error [$1] $2" >&2
  exit 1
}

# The feature version of the JDK in $1, or nothing.
jdk_version() {
  [ -x "$1/bin/javac" ] && sed -n 's/^JAVA_VERSION="\([0-9]*\).*/\1/p' "$1/release" 2>/dev/null || :
}

# Sets jdk to the home of the first JDK of the wanted version, or stops with what was found instead.
find_jdk() {
  on_path=$(command -v java || :)
  while [ -n "$on_path" ] && [ -L "$on_path" ]; do
    link=$(readlink "$on_path")
    case $link in
      /*) on_path=$link ;;
      *) on_path=$(dirname "$on_path")/$link ;;
    esac
  done
  set -- "${JAVA_HOME:-}" "${on_path%/bin/java}"
  places=/usr/lib/jvm:/opt:/opt/java:/Library/Java/JavaVirtualMachines:/opt/homebrew/opt
  if [ -n "${HOME:-}" ]; then
    places=$places:$HOME/.sdkman/candidates/java:$HOME/.jdks
  fi
  places=${VLM_JDK_PATH:-$places}
  rest=$places:
  while [ -n "$rest" ]; do
    place=${rest%%:*}
    rest=${rest#*:}
    set -- "$@" "$place" "$place"/* "$place"/*/Contents/Home "$place"/*/libexec/openjdk.jdk/Contents/Home
  done
  found=
  for home in "$@"; do
    [ -n "$home" ] || continue
    version=$(jdk_version "$home")
    [ -n "$version" ] || continue
    if [ "$version" = "$wanted" ]; then
      jdk=$home
      return
    fi
    found="$found $home (version $version)"
  done
  fail no_jdk "no JDK $wanted; found:${found:- none}; expected one in JAVA_HOME, on PATH or in one of $places, hint: install one from https://adoptium.net and set JAVA_HOME"
}

need_maven() {
  command -v mvn >/dev/null ||
    fail no_maven "no mvn on PATH; expected Maven 3.8 or later, hint: install it from https://maven.apache.org/download.cgi or your distribution's packages"
}
