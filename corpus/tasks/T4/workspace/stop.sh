# Tells the run that its time is over.
touch STOP
