rule AP_Shell_Form_Writer
{
    meta:
        title = "Page that writes what a request sends into a file"
        title_zh = "把请求内容写入文件的页面"
        severity = "critical"
        confidence = "high"
        chain = "web-shell"
        stage = "wrote"
        kind = "web-shell"
        group = "web-shell"
        explain = "Code in the page builds a file name or file content out of request values: it writes whatever the sender likes."
        explain_zh = "页面代码用请求值构造文件名或文件内容：发送者可写入任意内容。"
        origin = "CISA; signature-base (features)"
    strings:
        $stream = /\bnew\s{1,4}(System\.IO\.)?\x53tream(Writer)\s{0,4}\([^;]{0,80}\x52equest\s{0,4}(\.\s{0,4}(Form|QueryString|Params|Item|Cookies|Headers)\s{0,4})?[\[(]/i
        $file = /\x46ile\s{0,4}\.\s{0,4}(\x57riteAll(Text|Bytes|Lines)|AppendAllText|Create|CreateText|AppendText)\s{0,4}\([^;]{0,80}\x52equest\s{0,4}(\.\s{0,4}(Form|QueryString|Params|Item|Cookies|Headers)\s{0,4})?[\[(]/i
        $fso = /\x46ileSystemObject/i
        $create = /\.\s{0,4}(CreateTextFile|OpenTextFile|SaveToFile)\s{0,4}\(?[^\r\n]{0,60}\x52equest\s{0,4}[.(]/i
        $adodb = /\x41DODB\s{0,4}\.\s{0,4}\x53tream/i
    condition:
        ap_page and filesize < 300KB and ($stream or $file or ($create and ($fso or $adodb)))
}

rule AP_Shell_Two_Field_Writer
{
    meta:
        title = "Small page that writes one request value to a path out of another"
        title_zh = "用请求值作为路径写入文件的小型页面"
        severity = "critical"
        confidence = "moderate"
        chain = "web-shell"
        stage = "wrote"
        kind = "web-shell"
        group = "web-shell"
        explain = "A small page reads request values, opens a file for writing and writes. Exchange has no such page."
        explain_zh = "小型页面读取请求值、打开文件并写入。Exchange 没有这样的页面。"
        origin = "CISA; signature-base (features)"
    strings:
        $writer = /\bnew\s{1,4}(System\.IO\.)?(\x53treamWriter|\x46ileStream)\s{0,4}\(|\x46ile\s{0,4}\.\s{0,4}\x57riteAll(Text|Bytes)\s{0,4}\(|\x53aveToFile|CreateTextFile/i
        $write = /\.\s{0,4}Write(Line|AllBytes|AllText|Text)?\s{0,4}\(|\x53aveToFile|\.\s{0,4}Write\s{1,4}/i
        $any = /\x52equest\s{0,4}(\.\s{0,4}(Form|QueryString|Params|Item|Headers)\s{0,4})?[\[(]/i
    condition:
        ap_inline_code and filesize < 6KB and $writer and $write and #any >= 1
}

rule AP_Shell_Upload_Page
{
    meta:
        title = "Small page that saves uploaded files"
        title_zh = "保存上传文件的小型页面"
        severity = "high"
        confidence = "moderate"
        chain = "web-shell"
        stage = "wrote"
        kind = "web-shell"
        group = "web-shell"
        explain = "A small page with its code inside saves an uploaded file to a folder of the server. Upload forms are how further tools come in."
        explain_zh = "自带代码的小型页面把上传文件保存到服务器文件夹，后续工具常由此进入。"
        origin = "Volexity; signature-base (features)"
    strings:
        $save = /\.\s{0,4}\x53aveAs\s{0,4}\(/i
        $files = /\x52equest\s{0,4}\.\s{0,4}Files|PostedFile|FileUpload|HttpFileCollection/i
    condition:
        ap_inline_code and filesize < 8KB and all of them
}

rule AP_Shell_Process_From_Request
{
    meta:
        title = "Page that starts programs with values of a request"
        title_zh = "用请求值启动程序的页面"
        severity = "critical"
        confidence = "high"
        chain = "web-shell"
        stage = "wrote"
        kind = "web-shell"
        group = "web-shell"
        explain = "Code in the page starts a program and takes its command line from the request or from a text box, and names a command interpreter or reads the output back."
        explain_zh = "页面代码启动程序，命令行来自请求或文本框，并指定命令解释器或读回输出。"
        origin = "signature-base WEBSHELL_CSHARP_Generic (features)"
    strings:
        $cmd = /\x63md(\.exe)?["'\s]|\x70ower\x73hell(\.exe)?|\/bin\/(ba)?sh|%comspec%|\/c\s/i
        $output = /StandardOutput|StandardError|\.\s{0,4}StdOut/i
        $text = /\.\s{0,2}Text\b|\.\s{0,2}Value\b/i
    condition:
        ap_inline_code and filesize < 300KB and ap_process and ($cmd or $output) and (ap_request or (ap_control_text and $text))
}

rule AP_Shell_Classic_Command
{
    meta:
        title = "Classic ASP page that runs commands"
        title_zh = "执行命令的经典 ASP 页面"
        severity = "critical"
        confidence = "high"
        chain = "web-shell"
        stage = "wrote"
        kind = "web-shell"
        group = "web-shell"
        explain = "A classic ASP page creates the scripting shell and runs a command built from the request."
        explain_zh = "经典 ASP 页面创建脚本外壳对象并执行由请求构造的命令。"
        origin = "public web shell collections (features)"
    strings:
        $object = /CreateObject\s{0,4}\(?\s{0,4}[^)\r\n]{0,60}/i
        $shell = /W[sS]cript["' &+]{0,6}\.["' &+]{0,6}\x53hell|\x53hell\s{0,4}\.\s{0,4}Application|72C24DD5-D70A-438B-8A42-98424B88AFB8|F935DC22-1CF0-11D0-ADB9-00C04FD58A0B/i
        $run = /\.\s{0,4}(Exec|Run|\x53hellExecute)\b/i
    condition:
        ap_classic and ap_request and filesize < 300KB and $shell and ($run or #object > 2)
}

rule AP_Shell_Reflective_Load
{
    meta:
        title = "Page that loads a program out of a request"
        title_zh = "从请求中加载程序的页面"
        severity = "critical"
        confidence = "high"
        chain = "web-shell"
        stage = "wrote"
        kind = "web-shell"
        group = "web-shell"
        techniques = "T1505.003,T1620"
        explain = "Code in the page turns bytes that come with a request into a loaded .NET assembly and calls it. Nothing of what runs is on disk."
        explain_zh = "页面代码把请求中的字节加载为 .NET 程序集并调用，运行的内容不落盘。"
        origin = "signature-base WEBSHELL_ASP_Runtime_Compile; SharPyShell (features)"
    strings:
        $load = /\x41ssembly\s{0,4}\.\s{0,4}(Load|LoadFrom|LoadFile|UnsafeLoadFrom)\s{0,4}\(|AppDomain[^;]{0,60}\.\s{0,4}Load\s{0,4}\(|typeof\s{0,4}\([^)]{0,60}\x41ssembly\)|GetMethod\s{0,4}\(\s{0,4}"\x4coad"/i
        $call = /CreateInstance|\.\s{0,4}Invoke(Member)?\s{0,4}\(|EntryPoint|GetMethod\s{0,4}\(|\.\s{0,4}Equals\s{0,4}\(/i
        $decode = /\x46romBase64String|Convert\.ToByte|\^|CreateDecryptor|GZipStream|DeflateStream|BinaryRead|InputStream/
    condition:
        ap_net_page and ap_inline_code and filesize < 60KB and ap_request and all of them
}

rule AP_Shell_Runtime_Compile
{
    meta:
        title = "Page that compiles what a request sends"
        title_zh = "编译请求内容的页面"
        severity = "critical"
        confidence = "high"
        chain = "web-shell"
        stage = "wrote"
        kind = "web-shell"
        group = "web-shell"
        techniques = "T1505.003,T1127"
        explain = "Code in the page hands source text to the .NET compiler in memory and runs the result."
        explain_zh = "页面代码把源文本交给内存中的 .NET 编译器并运行结果。"
        origin = "SharPyShell; signature-base (features)"
    strings:
        $compile = /\x43ompileAssemblyFrom(Source|Dom|File)|CSharpCodeProvider|VBCodeProvider|CodeDomProvider|JScriptCodeProvider/
        $memory = /GenerateInMemory|CompiledAssembly|CompilerParameters/
        $xor = / \^= |\^\s{0,4}\w/
    condition:
        ap_page and filesize < 100KB and $compile and $memory and (ap_request or ap_control_text or $xor)
}

rule AP_Shell_Xslt
{
    meta:
        title = "Page that runs script inside a style sheet"
        title_zh = "通过样式表执行脚本的页面"
        severity = "critical"
        confidence = "high"
        chain = "web-shell"
        stage = "wrote"
        kind = "web-shell"
        group = "web-shell"
        techniques = "T1505.003,T1220"
        explain = "The page transforms XML with a style sheet whose script is trusted and takes the style sheet from the request."
        explain_zh = "页面使用受信任脚本的样式表转换 XML，而样式表来自请求。"
        origin = "signature-base webshell_xsl_transform (features)"
    strings:
        $trust = /\x54rustedXslt|XsltSettings|EnableScript|msxsl:script/i
        $load = /\.\s{0,4}LoadXml\s{0,4}\(|XmlReader\s{0,4}\.\s{0,4}Create|XmlTextReader|MemoryStream/i
        $run = /Xsl(Compiled)?Transform|transformNode/i
    condition:
        ap_page and filesize < 60KB and (ap_request or ap_classic) and all of them
}

rule AP_Shell_Classic_Xslt
{
    meta:
        title = "Classic ASP page that runs script inside a style sheet"
        title_zh = "通过样式表执行脚本的经典 ASP 页面"
        severity = "high"
        confidence = "moderate"
        chain = "web-shell"
        stage = "wrote"
        kind = "web-shell"
        group = "web-shell"
        techniques = "T1505.003,T1220"
        explain = "A classic ASP page loads XML and a style sheet and transforms one with the other, which runs script in the style sheet."
        explain_zh = "经典 ASP 页面加载 XML 和样式表并转换，从而执行样式表中的脚本。"
        origin = "public web shell collections (features)"
    strings:
        $dom = /MSXML2?\.|Microsoft\.XMLDOM/i
        $load = /\.\s{0,4}LoadXML\s{0,4}\(?/i
        $run = /transformNode/i
    condition:
        ap_classic and filesize < 20KB and all of them
}

rule AP_Shell_Xaml_Or_Runspace
{
    meta:
        title = "Page that runs XAML or PowerShell out of a request"
        title_zh = "执行请求中 XAML 或 PowerShell 的页面"
        severity = "critical"
        confidence = "high"
        chain = "web-shell"
        stage = "wrote"
        kind = "web-shell"
        group = "web-shell"
        techniques = "T1505.003,T1059.001"
        explain = "Code in the page parses XAML or opens a PowerShell runspace with request values."
        explain_zh = "页面代码解析 XAML 或用请求值打开 PowerShell 运行空间。"
        origin = "signature-base (features)"
    strings:
        $xaml = /\x58amlReader\s{0,4}\.\s{0,4}(Parse|Load)/
        $space = /\x52unspaceFactory|CreateRunspace|\x50owerShell\s{0,4}\.\s{0,4}Create\s{0,4}\(/
    condition:
        ap_inline_code and filesize < 200KB and (ap_request or ap_control_text) and any of them
}

rule AP_Shell_Deserialise_Request
{
    meta:
        title = "Page that deserialises what a request sends"
        title_zh = "反序列化请求内容的页面"
        severity = "critical"
        confidence = "moderate"
        chain = "web-shell"
        stage = "wrote"
        kind = "web-shell"
        group = "web-shell"
        explain = "Code in the page hands bytes of the request to a .NET formatter that creates any object: code runs while it reads."
        explain_zh = "页面代码把请求字节交给可创建任意对象的 .NET 格式化器，读取时即执行代码。"
        origin = "analysis (features in backdoors 1.8)"
    strings:
        $formatter = /\bnew\s{1,4}[\w.]{0,60}(\x42inaryFormatter|LosFormatter|ObjectStateFormatter|NetDataContractSerializer|\x53oapFormatter)\s{0,4}\(/
        $read = /\.\s{0,4}(Unsafe)?Deserialize\s{0,4}\(|ReadObject\s{0,4}\(/
    condition:
        ap_inline_code and filesize < 30KB and ap_request and all of them
}

rule AP_Shell_Hash_Gated
{
    meta:
        title = "Page that opens only for a caller who knows a password"
        title_zh = "仅对知道口令者开放的页面"
        severity = "high"
        confidence = "moderate"
        chain = "web-shell"
        stage = "wrote"
        kind = "web-shell"
        group = "web-shell"
        explain = "Code in the page hashes a request value and compares it with a fixed one before it decodes and acts: the door of a password-protected shell."
        explain_zh = "页面代码先对请求值求哈希并与固定值比较，再解码执行：带口令的后门入口。"
        origin = "signature-base gen_webshell_csharp (features)"
    strings:
        $load = /Page_Load|ProcessRequest/
        $b64 = /\x46romBase64String/
        $hash = /CryptoServiceProvider|\.\s{0,4}ComputeHash\s{0,4}\(|HashPasswordForStoring/
        $hex = /BitConverter\s{0,4}\.\s{0,4}ToString\s{0,4}\([^;]{0,120}Replace\s{0,4}\(\s{0,4}"-"|ToString\(\s{0,4}"[xX]2"\s{0,4}\)/
    condition:
        ap_inline_code and filesize < 15KB and ap_request and all of them
}

rule AP_Shell_Machine_Key_Dumper
{
    meta:
        title = "Page that reveals the server's machine keys"
        title_zh = "泄露服务器 machineKey 的页面"
        severity = "critical"
        confidence = "high"
        chain = "viewstate"
        stage = "wrote"
        kind = "web-shell"
        group = "web-shell"
        techniques = "T1505.003,T1552.004"
        explain = "Code in the page reads the keys that sign ViewState and writes them out. With them an intruder comes back without any file on the server."
        explain_zh = "页面代码读取用于签名 ViewState 的密钥并输出。入侵者凭此可在服务器上不留文件地重新进入。"
        origin = "Microsoft 2025-07 (CVE-2025-53770 pages; features)"
    strings:
        $section = /\x4dachineKeySection|GetApplicationConfig|system\.web\/machineKey/
        $key = /\.\s{0,4}(ValidationKey|DecryptionKey)|Decryption\b/
        $out = /Response\s{0,4}\.\s{0,4}Write|<%=/i
    condition:
        ap_page and filesize < 100KB and all of them
}

rule AP_Shell_Code_In_Memory
{
    meta:
        title = "Page that places machine code in memory"
        title_zh = "在内存中放置机器码的页面"
        severity = "critical"
        confidence = "high"
        chain = "web-shell"
        stage = "wrote"
        kind = "web-shell"
        group = "web-shell"
        techniques = "T1505.003,T1620,T1055"
        explain = "Code in the page reserves executable memory, copies bytes and starts a thread there: a loader for native code."
        explain_zh = "页面代码申请可执行内存、复制字节并启动线程：本机代码加载器。"
        origin = "analysis (features in backdoors 1.8)"
    strings:
        $alloc = /\x56irtualAlloc|\x56irtualProtect|HeapCreate|NtAllocateVirtualMemory/
        $run = /\x43reateThread|GetDelegateForFunctionPointer|EnumSystemLocales|CallWindowProc|QueueUserAPC/
        $copy = /Marshal\s{0,4}\.\s{0,4}Copy|WriteProcessMemory|RtlMoveMemory/
    condition:
        ap_page and filesize < 3MB and $alloc and ($run or $copy)
}

rule AP_Shell_File_Manager
{
    meta:
        title = "Page that browses and changes the server's files"
        title_zh = "浏览并修改服务器文件的页面"
        severity = "high"
        confidence = "moderate"
        chain = "web-shell"
        stage = "wrote"
        kind = "web-shell"
        group = "web-shell"
        explain = "Code in the page lists drives and folders by request and deletes, writes or sends files."
        explain_zh = "页面代码按请求列出驱动器和文件夹，并删除、写入或发送文件。"
        origin = "signature-base (file explorer features)"
    strings:
        $drives = /DriveInfo\s{0,4}\.\s{0,4}GetDrives|GetLogicalDrives|\.\s{0,4}Drives\b/i
        $list = /Directory\s{0,4}\.\s{0,4}Get(Files|Directories|FileSystemEntries)|DirectoryInfo|\.\s{0,4}(SubFolders|GetFolder)\b/i
        $act = /\x46ile\s{0,4}\.\s{0,4}(Delete|Copy|Move|ReadAllBytes|WriteAllText)|\.\s{0,4}SaveAs\s{0,4}\(|TransmitFile|WriteFile|DeleteFile|CopyFile|\x53aveToFile|OpenTextFile|CreateTextFile/i
    condition:
        ap_inline_code and filesize < 300KB and (ap_request or ap_control_text) and all of them
}

rule AP_Shell_Time_Setter
{
    meta:
        title = "Page that sets files' times"
        title_zh = "修改文件时间的页面"
        severity = "high"
        confidence = "moderate"
        chain = "web-shell"
        stage = "wrote"
        kind = "web-shell"
        group = "web-shell"
        techniques = "T1505.003,T1070.006"
        explain = "Code in the page sets creation or write times of files by request, which serves to hide newly written files among old ones."
        explain_zh = "页面代码按请求设置文件的创建或写入时间，用于把新文件隐藏在旧文件之中。"
        origin = "analysis (features in backdoors 1.6)"
    strings:
        $set = /\x46ile\s{0,4}\.\s{0,4}Set(Creation|LastWrite|LastAccess)Time/i
    condition:
        ap_inline_code and filesize < 300KB and (ap_request or ap_control_text) and $set
}
