# tour.sh: a walk through the running system, some ten seconds long.
failures=0

echo
echo "== 1. A kernel in pieces =="
info

echo
echo "== 2. Shell, pipes and files =="
mkdir -p /tmp/tour
seq 1 2000 > /tmp/tour/numbers
echo "numbers with a 7: $(grep 7 /tmp/tour/numbers | wc -l)"
sort -nr /tmp/tour/numbers | head -n 3 | tee /tmp/tour/largest
mv /tmp/tour/largest /tmp/tour/top3
ls -l /tmp/tour
if [ -d /disk ]; then
  cp /tmp/tour/numbers /disk/numbers
  sync
  if [ "$(sum < /tmp/tour/numbers)" = "$(sum < /disk/numbers)" ]; then
    echo "the copy on /disk has the same checksum"
  else
    echo "the copy on /disk differs"
    failures=$((failures + 1))
  fi
  rm /disk/numbers
fi

echo
echo "== 3. A key that only the keyring can read =="
key tour "not a secret for long" hello world > /tmp/tour/signed
cat /tmp/tour/signed
hmac "not a secret for long" hello world > /tmp/tour/expected
if [ "$(cat /tmp/tour/signed)" = "$(cat /tmp/tour/expected)" ]; then
  echo "both are the HMAC-SHA-256 that they should be"
else
  echo "the MACs are wrong"
  failures=$((failures + 1))
fi

echo
echo "== 4. Work on all $(nproc) harts at once =="
onharts all sh -c 'mkdir -p /tmp/tour/$HART; mkfiles -s $HART -n 12 -l 150 /tmp/tour/$HART
  echo "hart $(hart): $(tok /tmp/tour/$HART/*.src)"' || failures=$((failures + 1))
stress -n 200 -s 1 forkstorm pipering filechurn gateping keychurn ||
  failures=$((failures + 1))

echo
echo "== 5. A driver that goes wrong =="
if info | grep -q monolith; then
  echo "this kernel is one monolith, which any of the flaws would own: not today"
elif exploit ask; then
  echo "the driver answers; now its flaws:"
  for flaw in write read call loop; do
    exploit $flaw
    if [ $? != 1 ]; then failures=$((failures + 1)); fi
    tries=0
    until exploit ask > /dev/null; do
      tries=$((tries + 1))
      if [ $tries = 20 ]; then
        echo "the driver did not come back"
        break
      fi
      sleep 0.1
    done
  done
  echo "and after all that, restarted:"
  exploit ask || failures=$((failures + 1))
else
  echo "the driver does not answer"
  failures=$((failures + 1))
fi

rm -r /tmp/tour
echo
if [ $failures = 0 ]; then
  echo "== All is as it should be =="
else
  echo "== $failures things are not as they should be =="
fi
exit $failures
