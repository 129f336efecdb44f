# Asks Windows for shadow copies: one request as a line of JSON on standard input, one framed line of ASCII JSON on standard output.
#
# requests   {"request": id, "action": "look"}                     volumes, mount points, shadow copies and their storage
#            {"request": id, "action": "create", "volume": device} makes a client-accessible shadow copy of one volume
#            {"request": id, "action": "find", "id": shadow}       the shadow copy of that id, if it is there
#            {"request": id, "action": "delete", "id": shadow}     deletes the shadow copy of that id, if it is there, and no other
#
# Written for Windows PowerShell 5.1 in Constrained Language Mode: cmdlets, and methods of core types, nothing else. Whatever
# happens, an answer is written and the exit code is 0; an end without an answer means that something kept the script from running.

Set-StrictMode -Version 2
$ErrorActionPreference = 'Stop'
$ProgressPreference = 'SilentlyContinue'
$WarningPreference = 'SilentlyContinue'

# Only ASCII leaves this process: the console's code page would turn anything else into something else.
function Write-Answer($answer) {
    $text = ConvertTo-Json -InputObject $answer -Compress -Depth 5
    $ascii = ''
    foreach ($character in $text.ToCharArray()) {
        $code = [int]$character
        if ($code -gt 126) { $ascii += '\u{0:x4}' -f $code } else { $ascii += $character }
    }
    Write-Output ('<<mailferry:' + $ascii + ':mailferry>>')
}

function Get-ShadowCopy($id) {
    if ($id -notmatch '^\{[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}\}$') { throw 'not the id of a shadow copy' }
    Get-CimInstance -ClassName Win32_ShadowCopy -Filter "ID='$id'"
}

function ConvertTo-Shadow($shadow) {
    $installed = ''
    if ($null -ne $shadow.InstallDate) { $installed = $shadow.InstallDate.ToUniversalTime().ToString('o') }
    @{
        id = $shadow.ID
        volume = $shadow.VolumeName
        device = $shadow.DeviceObject
        clientAccessible = [bool]$shadow.ClientAccessible
        noWriters = [bool]$shadow.NoWriters
        installed = $installed
    }
}

function Get-Look {
    $volumes = @(Get-CimInstance -ClassName Win32_Volume | ForEach-Object {
            @{ device = $_.DeviceID; name = $_.Name; fileSystem = $_.FileSystem; driveType = [int]$_.DriveType; free = $_.FreeSpace }
        })
    $mounts = @(Get-CimInstance -ClassName Win32_MountPoint | ForEach-Object {
            @{ folder = $_.Directory.Name; device = $_.Volume.DeviceID }
        })
    $look = @{ volumes = $volumes; mounts = $mounts; shadows = @(); storage = @(); problem = $null }
    # Who may not see shadow copies may still be told what volumes there are.
    try {
        $look.shadows = @(Get-CimInstance -ClassName Win32_ShadowCopy | ForEach-Object { ConvertTo-Shadow $_ })
        $look.storage = @(Get-CimInstance -ClassName Win32_ShadowStorage | ForEach-Object {
                @{ device = $_.Volume.DeviceID; used = $_.UsedSpace; most = $_.MaxSpace }
            })
    } catch {
        $look.problem = @{ error = $_.FullyQualifiedErrorId; category = [string]$_.CategoryInfo.Category; message = [string]$_ }
    }
    $look
}

function New-ShadowCopy($volume) {
    $arguments = @{ Volume = $volume; Context = 'ClientAccessible' }
    # Looked at before: afterwards Outlook may have been closed already.
    $outlook = [bool](Get-Process -Name OUTLOOK -ErrorAction SilentlyContinue)
    $made = Invoke-CimMethod -ClassName Win32_ShadowCopy -MethodName Create -Arguments $arguments
    $answer = @{ returnValue = [long]$made.ReturnValue; outlook = $outlook; id = $null; device = $null }
    if ($made.ReturnValue -eq 0) {
        $answer.id = $made.ShadowID
        # Its id is told even if it can't be found again: it has to be deleted.
        try { $answer.device = (Get-ShadowCopy $made.ShadowID).DeviceObject } catch { $answer.device = $null }
    }
    $answer
}

function Remove-ShadowCopy($id) {
    $shadow = Get-ShadowCopy $id
    if ($null -eq $shadow) { return @{ deleted = $false } }
    Remove-CimInstance -InputObject $shadow
    @{ deleted = $true }
}

function Find-ShadowCopy($id) {
    $shadow = Get-ShadowCopy $id
    if ($null -eq $shadow) { return @{ shadow = $null } }
    @{ shadow = ConvertTo-Shadow $shadow }
}

$id = ''
try {
    $request = ConvertFrom-Json -InputObject (@($input) -join '')
    $id = $request.request
    switch ($request.action) {
        'look' { $result = Get-Look }
        'create' { $result = New-ShadowCopy $request.volume }
        'find' { $result = Find-ShadowCopy $request.id }
        'delete' { $result = Remove-ShadowCopy $request.id }
        default { throw 'an action that there is not' }
    }
    Write-Answer @{ request = $id; result = $result }
} catch {
    Write-Answer @{
        request = $id
        error = @{ error = $_.FullyQualifiedErrorId; category = [string]$_.CategoryInfo.Category; message = [string]$_ }
    }
}
