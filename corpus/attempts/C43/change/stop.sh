echo "the run goes on"
