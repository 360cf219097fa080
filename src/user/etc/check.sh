# check.sh: a few seconds of everything on every hart; what runs when nobody is there to type.
failures=0
onharts all sh -c 'seq 1 200 | sort -nr | head -n 1 > /tmp/check.$HART' || failures=$((failures + 1))
for file in /tmp/check.*; do
  if [ "$(cat $file)" != 200 ]; then failures=$((failures + 1)); fi
done
stress -n 20 -s 1 forkstorm pipering filechurn gateping keychurn > /dev/null || failures=$((failures + 1))
echo "check: $failures failures on $(nproc) harts"
exit $failures
