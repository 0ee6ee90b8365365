python3 -m http.server 8099 --bind 127.0.0.1 --directory /data >/dev/null 2>&1 &
mirror=$!
for try in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
    sleep 0.2
    python3 -c 'import urllib.request as u; u.urlretrieve("http://127.0.0.1:8099/mirror.json", "mirror.json")' 2>/dev/null && break
done
kill $mirror
wait $mirror
