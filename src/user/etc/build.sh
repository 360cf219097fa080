# build.sh [FILES [LINES [DIRECTORY]]]: the small application of the bench. Generates sources,
# indexes every one in a process of its own, then all together, and sums up.
files=${1:-8}
lines=${2:-40}
directory=${3:-/tmp/build}

rm -rf $directory
mkdir -p $directory || exit 1
mkfiles -s 7 -n $files -l $lines $directory
for source in $directory/*.src; do
  tok -o $source.index $source > $source.report &
done
wait
cat $directory/*.report | sort | tail -n 3
tok -o $directory/all.index $directory/*.src || exit 1
cat $directory/*.src.index | wc -l
sum $directory/all.index
rm -r $directory
