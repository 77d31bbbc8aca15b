# Turns docs/configuration.md into lyceum.toml: every setting with its meaning, commented out, with
# its default where it has one.
BEGIN {
  FS = " \\| "
  print "# Lyceum's configuration. What is commented out shows the default. A variable wins over this"
  print "# file (/etc/default/lyceum for the service), and a flag over both:"
  print "#   lyceum config check --config /etc/lyceum/lyceum.toml"
  print "#   systemctl reload lyceum      takes up keys and the tenants' rate; the rest needs a restart"
}
/^## \[/ { print "\n" substr($0, 4) }
/^\| `/ {
  key = $1
  gsub(/[| `]/, "", key)
  value = $4
  meaning = $5
  sub(/ \|$/, "", meaning)
  gsub(/`/, "", meaning)
  text = meaning " (" value ")"
  line = "\n#"
  count = split(text, words, " ")
  for (i = 1; i <= count; ++i) {
    if (length(line) + length(words[i]) > 98) { print line; line = "#" }
    line = line " " words[i]
  }
  print line
  if (value ~ /^a whole number/ && $3 ~ /^[0-9]+$/ || value ~ /^true or false/) {
    print "#" key " = " $3
  } else if (value ~ /^a duration/ && $3 ~ /^[0-9]+[a-z]+$/ || value ~ /^(a percentage|an address|one of|text or)/) {
    print "#" key " = \"" $3 "\""
  } else if (key == "url") {
    # As the service's own user, whom PostgreSQL on this machine knows by its socket.
    print "#" key " = \"host=/var/run/postgresql user=lyceum dbname=lyceum\"      # " $3
  } else {
    print "#" key " =      # " $3
  }
}
