// Loaded into each program by --import: answers over the IPC channel how much CPU its process has used.
process.on('message', message => {
  if (message === 'cpu') process.send?.({ cpu: process.cpuUsage() })
})
// No program outlives a bench that was killed.
process.on('disconnect', () => process.exit(1))
